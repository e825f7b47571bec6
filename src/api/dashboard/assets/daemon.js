// The way to the daemon: looking, acting, listening, and who is logged in.

const PATH = "/api/trading/enhanced-execution";
let csrf = null;

export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `the daemon answered ${status}`);
    this.status = status;
    this.code = error?.code ?? "";
    this.details = error?.details ?? null;
  }
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
  const body = await answer.json().catch(() => null);
  if (!answer.ok || body?.success !== true) throw new Refusal(answer.status, body?.error);
  return body.data;
}

/** `GET ?action=`; parameters that are null are left out. */
export function show(action, parameters = {}) {
  const query = new URLSearchParams({ action });
  for (const [name, value] of Object.entries(parameters)) if (value != null) query.set(name, value);
  return ask(`${PATH}?${query}`);
}

/** `POST` of an action; with a key it acts once however often it is sent. */
export function act(action, fields = {}, key = null) {
  return post(PATH, { action, ...fields }, key);
}

function post(path, body, key = null) {
  const headers = { "content-type": "application/json" };
  if (key) headers["idempotency-key"] = key;
  if (csrf) headers["x-csrf-token"] = csrf;
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Who is logged in; a `Refusal` of status 401 where somebody must. */
export async function session() {
  const found = await ask("/session");
  csrf = found.csrf_token;
  return found;
}

export async function login(token) {
  const found = await post("/login", { token });
  csrf = found.csrf_token;
  return found;
}

export async function logout() {
  await post("/logout", {});
  csrf = null;
}

/** Hears every event. The browser comes back by itself with the last id it had; a refusal is the end (`ended`). */
export function listen({ event, open, lost, ended }) {
  const source = new EventSource(`${PATH}/events`);
  source.onopen = open;
  source.onmessage = (message) => event(JSON.parse(message.data));
  source.onerror = () => {
    lost();
    if (source.readyState === EventSource.CLOSED) ended();
  };
}
