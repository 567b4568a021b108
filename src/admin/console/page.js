// What is on the page. Whatever comes from the API becomes text here, never markup.

/** An element: attributes and `on…` handlers by name, then children: elements, texts, lists of them, or nothing. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...there(children));
  return element;
}

/** Of nested lists of children those that are there. */
const there = (children) => children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);

/** A line below the head, until the next one. */
export function notice(text, isBad = false) {
  const line = document.getElementById("notice");
  line.textContent = text;
  line.className = isBad ? "bad" : "";
  line.hidden = !text;
}

export function show(...children) {
  document.getElementById("main").replaceChildren(...there(children));
}

/** A button that can be pressed again when what it began has ended. */
export function button(label, pressed) {
  const element = el("button", { type: "button" }, label);
  element.addEventListener("click", async () => {
    element.disabled = true;
    await attempt(pressed);
    element.disabled = false;
  });
  return element;
}

/** Says what went wrong instead of losing it. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notice(error.message, true);
  }
}

/** A form whose fields come as an object, what is left empty left out. */
export function form(fields, label, submitted) {
  const element = el("form", {}, fields, el("button", { type: "submit" }, label));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = [...new FormData(element)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
    attempt(() => submitted(Object.fromEntries(given)));
  });
  return element;
}

export function field(label, name, value = "", more = {}) {
  return el("label", {}, label, el("input", { name, value, autocomplete: "off", ...more }));
}

export function choice(label, name, options, value = "") {
  const option = (one) => el("option", { value: one, selected: one === value }, one || "any");
  return el("label", {}, label, el("select", { name }, options.map(option)));
}

/** A table; columns are [heading, cell of a row], a heading that ends with `#` is of numbers. */
export function table(columns, rows, empty) {
  if (rows.length === 0) return el("p", { class: "about" }, empty);
  const kind = (heading) => (heading.endsWith("#") ? "number" : undefined);
  const head = columns.map(([heading]) => el("th", { class: kind(heading) }, heading.replace("#", "")));
  const line = (row) => el("tr", {}, columns.map(([heading, cell]) => el("td", { class: kind(heading) }, cell(row))));
  return el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows.map(line))));
}

/** Names and values, those without a value left out. */
export function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el("dl", {}, given.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

const GOOD = ["active", "delivered", "finished", "closed"];
const BAD = ["dead", "cancelled", "open", "disabled"];

export function state(word) {
  const mood = GOOD.includes(word) ? "good" : BAD.includes(word) ? "bad" : "waiting";
  return el("span", { class: `state ${mood}` }, word.replace("_", " "));
}

export function time(moment) {
  return moment && el("time", { datetime: moment, title: moment }, new Date(moment).toLocaleString());
}

export function json(value) {
  return el("pre", {}, JSON.stringify(value, null, 2));
}

export function link(hash, label) {
  return el("a", { href: hash }, label);
}

/** Bars of hours, what was delivered below what was not. */
export function bars(hours) {
  const most = Math.max(1, ...hours.map((hour) => hour.total));
  const shape = (name, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.append(...children);
    return element;
  };
  const bar = (hour, index) => {
    const [good, all] = [(hour.delivered / most) * 78, (hour.total / most) * 78];
    const part = (kind, top, height) => shape("rect", { class: kind, x: index * 10, y: top, width: 8, height });
    const words = `${new Date(hour.begins_at).toLocaleString()}: ${hour.total} attempts, ${hour.delivered} delivered`;
    return shape("g", {}, shape("title", {}, words), part("none", 79, 1), part("failed", 79 - all, all - good), part("delivered", 79 - good, good));
  };
  const oldestFirst = [...hours].sort((left, right) => left.begins_at.localeCompare(right.begins_at));
  const label = `Attempts in the last ${hours.length} hours, by the hour`;
  return shape("svg", { class: "hours", viewBox: `0 0 ${hours.length * 10} 80`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...oldestFirst.map(bar));
}
