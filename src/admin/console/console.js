// The pages: each asks the API, and shows what it answers. `#/deliveries?status=dead` is a page and its parameters.

import { Problem, call, get, signIn, signOut, token } from "./api.js";
import { attempt, bars, button, choice, el, facts, field, form, json, link, notice, show, state, table, time } from "./page.js";

const STATUSES = ["", "pending", "in_flight", "retrying", "delivered", "dead", "cancelled", "held"];
/** How often a replay that runs is looked at. */
const REPLAY_EVERY_MS = 1000;

const PAGES = [
  [/^\/endpoints$/, endpoints],
  [/^\/endpoints\/(.+)$/, endpoint],
  [/^\/deliveries$/, deliveries],
  [/^\/deliveries\/(.+)$/, delivery],
  [/^\/events$/, events],
  [/^\/events\/(.+)$/, event],
  [/^\/event-types$/, eventTypes],
  [/^\/audit$/, audit],
];

const endpointLink = (id, label) => link(`#/endpoints/${encodeURIComponent(id)}`, label ?? id);
const deliveryLink = (id, label) => link(`#/deliveries/${encodeURIComponent(id)}`, label ?? id);
const eventLink = (id) => link(`#/events/${encodeURIComponent(id)}`, id);
const within = (hash, query) => `${hash}?${new URLSearchParams(query)}`;
const goTo = (hash, query) => { location.hash = within(hash, query); };

/** A list that goes on: what is there, and a button for the next page. */
async function pages(path, query, columns, empty) {
  const rows = [];
  const place = el("div");
  const more = async (cursor) => {
    // A page may be empty and yet go on: the search has only come so far.
    do {
      const page = await get(path, cursor ? { ...query, cursor } : query);
      rows.push(...page.data);
      cursor = page.next_cursor;
      if (page.data.length > 0) break;
    } while (cursor);
    place.replaceChildren(table(columns, rows, empty), cursor ? button("More", () => more(cursor)) : "");
  };
  await more();
  return place;
}

const DELIVERY_COLUMNS = [
  ["Delivery of", (one) => deliveryLink(one.id, one.event_id)],
  ["To", (one) => endpointLink(one.endpoint_id)],
  ["Type", (one) => one.type],
  ["State", (one) => state(one.status)],
  ["Attempts#", (one) => one.attempts],
  ["Next attempt", (one) => time(one.next_attempt_at) ?? ""],
  ["Published", (one) => time(one.created_at)],
];

async function endpoints() {
  const list = await pages("/endpoints", {}, [
    ["Endpoint", (one) => endpointLink(one.id, one.name ?? one.description ?? one.url)],
    ["URL", (one) => one.url],
    ["Events", (one) => one.events.join(", ")],
    ["Dialect", (one) => one.dialect ?? "default"],
    ["State", (one) => [state(one.status), one.status_reason ? ` ${one.status_reason}` : ""]],
  ], "No endpoints yet. `casewire endpoints create --url … --event 'cases.*'` makes the first.");
  return [el("h1", {}, "Endpoints"), list];
}

async function endpoint(id) {
  const path = `/endpoints/${encodeURIComponent(id)}`;
  const [{ data: one }, { data: stats }] = await Promise.all([get(path), get(`${path}/stats`)]);
  const isActive = one.status === "active";
  const figure = (value, label) => el("div", {}, el("b", {}, value ?? "–"), el("span", {}, label));
  const percent = stats.success_rate === undefined ? undefined : `${(stats.success_rate * 100).toFixed(1)} %`;
  const { id: _, url, ...settings } = one;
  const outcome = el("div");
  return [
    el("h1", {}, one.name ?? one.description ?? url),
    facts([["id", id], ["URL", url], ["State", state(one.status)], ["Reason", one.status_reason], ["Breaker", state(stats.breaker.state)], ["Failing since", time(stats.failing?.since)]]),
    el("div", { class: "actions" },
      button(isActive ? "Pause" : "Resume", async () => {
        await call("PATCH", path, { status: isActive ? "paused" : "active" });
        await render();
      }),
      button("Send a test", async () => {
        const { data: trial } = await call("POST", `${path}/test`, {});
        outcome.replaceChildren(el("h2", {}, "Test"), attemptFacts(trial, state(trial.delivered ? "delivered" : "dead")));
      }),
      link(within("#/deliveries", { endpoint: id }), "Deliveries"),
      link(within("#/deliveries", { endpoint: id, status: "dead" }), "Dead letters")),
    outcome,
    el("h2", {}, "Last 24 hours"),
    el("div", { class: "figures" },
      figure(stats.attempts.total, "attempts"), figure(percent, "succeeded"),
      figure(stats.latency_ms && `${stats.latency_ms.p50} ms`, "p50"), figure(stats.latency_ms && `${stats.latency_ms.p99} ms`, "p99"),
      figure(stats.backlog, "waiting"), figure(stats.deliveries.retrying, "retrying"), figure(stats.deliveries.dead, "dead")),
    bars(stats.hours),
    stats.oldest_waiting_at && el("p", { class: "about" }, "The oldest waits since ", time(stats.oldest_waiting_at), "."),
    el("h2", {}, "Send again"),
    await replays(path),
    el("h2", {}, "Settings"),
    json(settings),
  ];
}

/** The form of a replay, counted before it is sent, and those that there were. */
async function replays(path) {
  const place = el("div");
  const outcome = el("div", { role: "status", "aria-live": "polite" });
  const list = async () => {
    const { data } = await get(`${path}/replays`);
    const running = data.some((one) => one.state === "running");
    place.replaceChildren(table([
      ["Replay", (one) => one.id],
      ["State", (one) => state(one.state)],
      ["Of", (one) => one.status.join(", ")],
      ["Count#", (one) => one.count],
      ["Sent#", (one) => one.sent],
      ["Delivered#", (one) => one.delivered],
      ["Failed#", (one) => one.failed],
      ["", (one) => one.state === "running" ? button("Cancel", async () => { await call("DELETE", `${path}/replays/${one.id}`); await list(); }) : ""],
    ], data, "Nothing was sent again yet."));
    // As long as it is on the page.
    if (running) setTimeout(() => place.isConnected && attempt(list), REPLAY_EVERY_MS);
  };
  const fields = [
    choice("Which", "status", ["dead", "delivered", "cancelled", "missing"], "dead"),
    field("Since", "since", "", { type: "datetime-local" }),
    field("Types", "types", "", { placeholder: "cases.*" }),
  ];
  const counted = form(fields, "Count", async ({ status, since, types }) => {
    const wanted = { status: [status] };
    if (since) wanted.since = new Date(since).toISOString().replace(/\.\d+Z$/, "Z");
    if (types) wanted.types = types.split(/[\s,]+/);
    const { data } = await call("POST", `${path}/replay`, { ...wanted, dry_run: true });
    const send = button(`Send ${data.count} again`, async () => {
      await call("POST", `${path}/replay`, wanted);
      outcome.replaceChildren();
      await list();
    });
    outcome.replaceChildren(data.count > 0 ? send : el("p", { class: "about" }, "There are none."));
  });
  await list();
  return [counted, outcome, place];
}

async function deliveries(_, query) {
  const fields = [
    choice("State", "status", STATUSES, query.status),
    field("Endpoint", "endpoint", query.endpoint, { placeholder: "wh_…" }),
    field("Event", "event", query.event, { placeholder: "evt_…" }),
    field("Type", "type", query.type, { placeholder: "cases.created" }),
  ];
  const search = form(fields, "Search", (given) => goTo("#/deliveries", given));
  return [el("h1", {}, "Deliveries"), search, await pages("/deliveries", query, DELIVERY_COLUMNS, "No such deliveries.")];
}

function attemptFacts(one, outcome) {
  const timing = Object.entries(one.timing).map(([part, ms]) => `${part.replace("_ms", "").replace("_", " ")} ${ms} ms`);
  return el("div", {},
    facts([
      ["Came to", outcome], ["Answer", one.status_code], ["Error", one.error && `${one.error.message} (${one.error.class})`],
      ["Began", time(one.started_at)], ["Took", timing.join(", ")], ["Address", one.remote_address],
    ]),
    one.response && [
      el("pre", {}, Object.entries(one.response.headers).map(([name, value]) => `${name}: ${value}`).join("\n") || "no headers"),
      el("pre", {}, one.response.body || "no body"),
    ]);
}

async function delivery(id) {
  const path = `/deliveries/${encodeURIComponent(id)}`;
  const { data: one } = await get(path);
  return [
    el("h1", {}, one.type),
    facts([["id", id], ["State", state(one.status)], ["Event", eventLink(one.event_id)], ["Endpoint", endpointLink(one.endpoint_id)], ["Published", time(one.created_at)], ["Next attempt", time(one.next_attempt_at)]]),
    el("div", { class: "actions" }, button("Retry now", async () => {
      await call("POST", `${path}/retry`);
      await render();
      notice("It is sent again now.");
    })),
    one.attempts.length === 0 && el("p", { class: "about" }, "No attempt yet."),
    [...one.attempts].reverse().map((each) => [el("h2", {}, `Attempt ${each.number}`), attemptFacts(each)]),
  ];
}

async function events(_, query) {
  const fields = [
    field("Type", "type", query.type, { placeholder: "cases.created" }),
    field("About", "resource", query.resource, { placeholder: "people/7" }),
  ];
  const search = form(fields, "Search", (given) => goTo("#/events", given));
  const list = await pages("/events", query, [
    ["Event", (one) => eventLink(one.id)],
    ["Type", (one) => one.type],
    ["About", (one) => (one.resource ? `${one.resource.type}/${one.resource.id}` : "")],
    ["Published", (one) => time(one.created_at)],
  ], "No such events.");
  return [el("h1", {}, "Events"), search, list];
}

async function event(id) {
  const path = `/events/${encodeURIComponent(id)}`;
  const { data: one } = await get(path);
  const list = await pages(`${path}/deliveries`, {}, DELIVERY_COLUMNS, "No endpoint took it.");
  return [el("h1", {}, one.type), json(one), el("h2", {}, "Deliveries"), list];
}

async function eventTypes() {
  const list = await pages("/event-types", {}, [
    ["Type", (one) => one.name],
    ["What it tells", (one) => [one.description ?? "", one.deprecated ? " (deprecated)" : ""]],
    ["Category", (one) => one.category ?? ""],
    ["Sample", (one) => (one.sample === undefined ? "" : el("details", {}, el("summary", {}, "show"), json(one.sample)))],
    ["Schema", (one) => (one.schema === undefined ? "" : el("details", {}, el("summary", {}, "show"), json(one.schema)))],
  ], "None is known.");
  return [el("h1", {}, "Event types"), list];
}

async function audit() {
  const list = await pages("/audit", {}, [
    ["When", (one) => time(one.created_at)],
    ["Who", (one) => one.actor.name ?? one.actor.id ?? one.actor.kind],
    ["What", (one) => one.action],
    ["To", (one) => one.subject],
    ["Fields", (one) => [(one.fields ?? []).join(", "), one.reason ?? ""]],
  ], "Nothing was done yet.");
  return [el("h1", {}, "Who did what"), list];
}

function signInPage() {
  const secret = field("Token", "token", "", { type: "password", required: true });
  const entered = form([secret], "Sign in", async ({ token: given }) => {
    signIn(given);
    await render();
  });
  show(el("h1", {}, "Sign in"), el("p", { class: "about" }, "With an API token; it stays in this tab. `casewire token create` makes one, and its scopes are what you can do here."), entered);
}

/** What is asked for last is shown, whichever answer comes first. */
let asked = 0;

async function render() {
  const number = ++asked;
  const signedIn = token() !== null;
  document.getElementById("sections").hidden = document.getElementById("sign-out").hidden = !signedIn;
  notice("");
  if (!signedIn) return signInPage();
  const [path, search] = (location.hash.slice(1) || "/endpoints").split("?");
  document.querySelectorAll("nav a").forEach((one) => {
    if (path.startsWith(one.hash.slice(1))) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  });
  try {
    const [shape, page] = PAGES.find(([shape]) => shape.test(path)) ?? PAGES[0];
    const id = shape.exec(path)?.[1];
    const content = await page(id && decodeURIComponent(id), Object.fromEntries(new URLSearchParams(search)));
    if (number === asked) show(content);
  } catch (error) {
    if (number !== asked) return;
    if (error instanceof Problem && error.status === 401) {
      signOut();
      await render();
    } else {
      show();
    }
    notice(error.message, true);
  }
}

document.getElementById("sign-out").addEventListener("click", () => {
  signOut();
  render();
});
window.addEventListener("hashchange", render);
render();
