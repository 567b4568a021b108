// Takes XPath's webhooks: deliveries signed with the endpoint's secret, after Standard Webhooks 1.0.0.
//
//   SECRET=whsec_… PORT=9001 node xpath.mjs
//
// Node 18 or later, no packages. Prints a line of JSON for each request.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const BODY_BYTES_MAX = 1_000_000;
// What is older may be a replay; what is younger, a clock that is wrong.
const TOLERANCE_SECONDS = 300;

const key = Buffer.from((process.env.SECRET ?? "").replace(/^whsec_/, ""), "base64");
if (key.length < 24) {
  console.error("set SECRET to the endpoint's secret, whsec_ and all");
  process.exit(2);
}

class Refusal extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

function check(headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  if (!id || !/^\d+$/.test(timestamp ?? "")) throw new Refusal(401, "webhook-id or webhook-timestamp is missing");
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) throw new Refusal(401, "too old or too new");

  // The bytes as they came: JSON that was parsed and written again is not what was signed.
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  const genuine = (headers["webhook-signature"] ?? "").split(" ").some((signature) => {
    const [version, value] = signature.split(",");
    const given = Buffer.from(value ?? "", "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!genuine) throw new Refusal(401, "the signature does not hold");

  const event = parse(body);
  if (event.id !== id) throw new Refusal(400, "the body is of another event than webhook-id");
  if (typeof event.type !== "string" || !/^[\w-]+(\.[\w-]+)+$/.test(event.type)) throw new Refusal(400, "no type");
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(event.created_at)) throw new Refusal(400, "no created_at");
  if (typeof event.data !== "object" || event.data === null) throw new Refusal(400, "no data");
  return event.type;
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    throw new Refusal(400, "the body is not JSON");
  }
}

async function read(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal(400, "the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  try {
    // The same webhook-id may come again: remember it, and do the work once.
    const event = check(request.headers, await read(request));
    console.log(JSON.stringify({ ok: true, event }));
    response.writeHead(204).end();
  } catch (refusal) {
    console.log(JSON.stringify({ ok: false, reason: refusal.message }));
    response.writeHead(refusal.status ?? 400).end(refusal.message);
  }
});

server.listen(Number(process.env.PORT ?? 9001), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
