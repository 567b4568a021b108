// The way to the API: the token that was typed in, and calls with it.

// In this tab only, and never in a cookie: no other site can have the browser send it.
const TOKEN = "casewire-token";
/** The page is `…/console`, all else stands beside it. */
const BASE = location.pathname.replace(/\/console\/?$/, "");

export const token = () => sessionStorage.getItem(TOKEN);
export const signIn = (text) => sessionStorage.setItem(TOKEN, text);
export const signOut = () => sessionStorage.removeItem(TOKEN);

/** What is wrong, in the API's own words. */
export class Problem extends Error {
  constructor(status, document) {
    const fields = (document.errors ?? []).map((one) => `${one.field}: ${one.message}`);
    super([document.detail ?? document.title ?? `The server answered ${status}.`, ...fields].join(" "));
    this.status = status;
  }
}

export async function call(method, path, body) {
  const headers = { Authorization: `Bearer ${token()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(BASE + path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" })
    .catch(() => { throw new Error("The server does not answer; is it running?"); });
  if (answer.status === 204) return undefined;
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, document);
  return document;
}

export const get = (path, query = {}) => {
  const parameters = new URLSearchParams(query).toString();
  return call("GET", parameters ? `${path}?${parameters}` : path);
};
