// Takes eCourtDate's webhooks, in the way of the vendor's own sample: it parses the body first, writes it again with
// JSON.stringify and verifies `X-ECD-Signature` over that.
//
//   SECRET=ecd-shared-secret-24char PORT=9002 node ecourtdate.mjs
//
// Node 18 or later, no packages. Prints a line of JSON for each request.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const BODY_BYTES_MAX = 1e6;
const MESSAGE = ["uuid", "channel", "direction", "created_at", "from", "to", "content", "token", "last_status"];

const secret = process.env.SECRET;
if (!secret || secret.length > 24) {
  console.error("set SECRET to the shared secret, at most 24 characters");
  process.exit(2);
}

function verifySignature(payload, signature) {
  const expected = Buffer.from(createHmac("sha256", secret).update(payload).digest("hex"));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

// Answers with a status, a reason if the request is no good, and the event's uuid.
function receive(headers, body) {
  if (!headers["content-type"]?.startsWith("application/json")) return { status: 400, reason: "not JSON" };
  let event;
  try {
    event = JSON.parse(body);
  } catch {
    return { status: 400, reason: "not JSON" };
  }
  if (!verifySignature(JSON.stringify(event), headers["x-ecd-signature"] ?? "")) {
    return { status: 401, reason: "Invalid signature" };
  }
  const uuid = event?.uuid;
  if (typeof uuid !== "string" || uuid === "") return { status: 400, reason: "no uuid" };
  if ("channel" in event && "last_status" in event) {
    const missing = MESSAGE.find((key) => typeof event[key] !== "string");
    if (missing) return { status: 400, reason: `no ${missing}`, event: uuid };
    if (!["text", "email", "voice"].includes(event.channel)) return { status: 400, reason: "channel", event: uuid };
    if (!["inbound", "outbound"].includes(event.direction)) return { status: 400, reason: "direction", event: uuid };
  }
  // A retry has the same uuid: remember it, and do the work once.
  return { status: 200, event: uuid };
}

const server = createServer((request, response) => {
  const chunks = [];
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) request.destroy();
    else chunks.push(chunk);
  });
  request.on("end", () => {
    const { status, reason, event } = receive(request.headers, Buffer.concat(chunks).toString());
    console.log(JSON.stringify({ ok: status === 200, reason, event }));
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(status === 200 ? { received: true } : { error: reason }));
  });
});

server.listen(Number(process.env.PORT ?? 9002), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
