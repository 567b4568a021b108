// A line in: [document, canonical form or null]. A line out: how JavaScript writes the document again, whether the
// canonical form is how JavaScript writes it, and what of the document's values JavaScript lost, if anything.
const again = (json) => JSON.stringify(JSON.parse(json));

// A decimal's digits without outer zeros, and the power of ten of the last one.
function exact(number) {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number);
  if (!parts) return number;
  const [, sign, whole, fraction = "", exponent = "0"] = parts;
  const digits = (whole + fraction).replace(/^0+/, "");
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "0") end -= 1;
  if (end === 0) return "0";
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - end);
  return `${sign}${digits.slice(0, end)}e${power}`;
}

function members(value) {
  if (value === null || typeof value !== "object") return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((count, inner) => count + members(inner), own);
}

function lost(json) {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|:|-?\d[\d.eE+-]*/g) ?? [];
  const number = tokens.find((token) => /^[-\d]/.test(token) && exact(token) !== exact(again(token)));
  if (number !== undefined) return `the number ${number.slice(0, 99)}`;
  const written = tokens.filter((token) => token === ":").length;
  return written === members(JSON.parse(json)) ? null : "a member";
}

const lines = require("fs").readFileSync(0, "utf8").split("\n");
for (const line of lines.filter((line) => line !== "")) {
  const [json, canonical] = JSON.parse(line);
  const stable = canonical === null ? null : again(canonical) === canonical;
  process.stdout.write(JSON.stringify({ again: again(json), stable, lost: lost(json) }) + "\n");
}
