// The token, and asking the server over HTTP.

const KEY = "streammon.token";
const ANSWER_MS = 6_000; // the hub gives ten seconds from its greeting to the subscription

/** The token of this tab; `#token=...` in the address sets it and is removed from there. */
export function takeTokenFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given === null) return;
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  setToken(given);
}

let kept = null; // where a browser forbids storage, the page's life must do

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

export function setToken(value) {
  kept = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    return;
  }
}

/** The subprotocols to open a WebSocket with: browsers can send no header there. */
export function subprotocols() {
  const value = token();
  if (value === null) return ["streammon.v1"];
  if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value)) return ["streammon.v1", `bearer.${value}`];
  const bytes = String.fromCharCode(...new TextEncoder().encode(value));
  const encoded = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["streammon.v1", `bearer64.${encoded}`];
}

/** Whether this server wants a token at all. Asked without one. */
export async function tokenNeeded() {
  const answer = await fetch("/health", { signal: AbortSignal.timeout(ANSWER_MS) });
  return (await answer.json()).token_needed === true;
}

async function ask(path) {
  const headers = token() === null ? {} : { Authorization: `Bearer ${token()}` };
  const answer = await fetch(path, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

/** Posts JSON; what the server says against it is the error's text. */
export async function postJson(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token() !== null) headers.Authorization = `Bearer ${token()}`;
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => ({}));
  throw new Error(typeof said.detail === "string" ? said.detail : `${path}: ${answer.status}`);
}

export const getJson = async (path) => (await ask(path)).json();
export const getBlob = async (path) => (await ask(path)).blob();
