// Takes Hivelight's webhooks: JSON:API documents about matters, milestones and tasks. The response carries the value of
// `X-Secret` back; without it the webhook would be disabled.
//
//   SECRET=a-shared-value PORT=9004 node hivelight.mjs
//
// Leave SECRET out for a webhook that was created without one. Node 18 or later, no packages. Prints a line of JSON for
// each request.

import { timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const BODY_BYTES_MAX = 1_000_000;
const DATES = ["createdDate", "dueDate", "targetDate", "lastModifiedDate"];
const ATTRIBUTES = {
  matter: ["name", "description", "jurisdictions", "types", "roles", "createdDate", "createdBy"],
  milestone: [
    ...["name", "status", "createdDate", "dueDate", "targetDate"],
    ...["matter", "totalTasks", "completedTasks", "pendingTasks"],
  ],
  task: [
    ...["name", "status", "createdDate", "dueDate", "lastModifiedBy", "lastModifiedDate", "createdBy"],
    ...["assignees", "reviewers"],
  ],
};

const secret = process.env.SECRET ?? "";

function isGenuine(given = "") {
  const [own, other] = [Buffer.from(secret), Buffer.from(given)];
  return own.length === other.length && timingSafeEqual(own, other);
}

// What is wrong with a document, or nothing.
function fault({ data, ...rest }) {
  if (Object.keys(rest).length > 0) return `beside data there is ${Object.keys(rest)}`;
  if (typeof data?.id !== "string") return "no id";
  const expected = Object.hasOwn(ATTRIBUTES, data.type) ? ATTRIBUTES[data.type] : undefined;
  if (!expected) return "neither matter nor milestone nor task";
  const missing = expected.find((name) => !(name in (data.attributes ?? {})));
  if (missing) return `no attribute ${missing}`;
  const wrong = DATES.find((name) => name in data.attributes && !Number.isSafeInteger(data.attributes[name]));
  if (wrong) return `${wrong} is not in milliseconds`;
  if (data.type !== "task") return undefined;
  const lost = ["milestone", "matter"].find((kind) => data.relationships?.[kind]?.data?.type !== kind);
  return lost && `no relationship ${lost}`;
}

const server = createServer(async (request, response) => {
  const answer = (status, reason, event) => {
    console.log(JSON.stringify({ ok: status === 200, reason, event }));
    response.writeHead(status).end(reason);
  };
  try {
    const chunks = [];
    let bytes = 0;
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) return answer(400, "the body is too large");
      chunks.push(chunk);
    }
    const given = request.headers["x-secret"];
    if (!isGenuine(given)) return answer(401, "X-Secret is not ours");
    if (given) response.setHeader("X-Secret", given);
    const document = JSON.parse(Buffer.concat(chunks));
    const reason = fault(document);
    return answer(reason ? 400 : 200, reason, reason ? undefined : `${document.data.type} ${document.data.id}`);
  } catch {
    return answer(400, "the body is not a JSON document");
  }
});

server.listen(Number(process.env.PORT ?? 9004), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
