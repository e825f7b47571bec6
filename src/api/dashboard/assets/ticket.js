// The order ticket: every field that a trader's order has, and the engine's verdict on it before it is sent.

import { Refusal, act } from "/daemon.js";
import { el, make, money } from "/panels.js";

/** Which prices a type has. */
const PRICES = { market: [], limit: ["price"], stop: ["stop_price"], stop_limit: ["price", "stop_price"] };
/** After the last change, so long until the engine is asked. */
const REST_MS = 400;

let chosen = () => null;
let afterwards = () => {};
let lost = () => {};
/** The order that the shown verdict is of, and whether it would pass; a verdict of another order is none. */
let judged = { order: "", passes: false };
let key = null;
let resting;
let turn = 0;

const form = () => el("ticket");
const field = (name) => form().elements.namedItem(name);

/** `symbol` names "SYMBOL@exchange" of the chosen instrument; `done` is called after an order, `fault` with what is not the order's. */
export function begin({ symbol, done, fault }) {
  [chosen, afterwards, lost] = [symbol, done, fault];
  form().addEventListener("submit", (event) => {
    event.preventDefault();
    (event.submitter?.value === "validate-order" ? judge() : place()).catch(lost);
  });
  form().addEventListener("input", changed);
  shape();
}

/** The venues that have the chosen symbol; by itself the one that is chosen above. */
export function venues(instruments) {
  const [symbol, exchange] = (chosen() ?? "").split("@");
  const names = instruments.filter((i) => i.symbol === symbol).map((i) => i.exchange);
  const select = field("exchange");
  const wanted = [exchange, ...names.filter((name) => name !== exchange), "auto"].filter(Boolean);
  if ([...select.options].map((option) => option.value).join() === wanted.join()) return;
  const words = (name) => (name === "auto" ? "auto: as the route says" : name);
  select.replaceChildren(...wanted.map((name) => make("option", { value: name }, words(name))));
}

/** Shows the fields that the type has, and takes away what the others held. */
function shape() {
  const prices = PRICES[field("type").value];
  for (const name of ["price", "stop_price"]) {
    const input = field(name);
    const has = prices.includes(name);
    input.closest("label").hidden = !has;
    input.required = has;
    if (!has) input.value = "";
  }
  const auto = field("auto").checked;
  field("quantity").disabled = auto;
  field("quantity").required = !auto;
}

function changed() {
  shape();
  tell("", "");
  clearTimeout(resting);
  turn += 1;
  // What is not complete yet is not asked about: the engine would only say so.
  if (form().checkValidity()) resting = setTimeout(() => judge().catch(lost), REST_MS);
}

/** An exit as it is typed: a price, a distance such as 2%, or off. */
function exit(fields, name) {
  const text = field(name).value.trim();
  if (text === "") return;
  if (text.toLowerCase() === "off") fields[name] = "off";
  else if (text.endsWith("%")) fields[`${name}_percent`] = text.slice(0, -1).trim();
  else fields[`${name}_price`] = text;
}

function order() {
  const [symbol] = (chosen() ?? "").split("@");
  const fields = { symbol, exchange: field("exchange").value, side: field("side").value, type: field("type").value };
  fields.quantity = field("auto").checked ? "auto" : field("quantity").value.trim();
  for (const name of PRICES[fields.type]) fields[name] = field(name).value.trim();
  if (field("time_in_force").value) fields.time_in_force = field("time_in_force").value;
  exit(fields, "stop_loss");
  exit(fields, "take_profit");
  return fields;
}

function tell(text, kind) {
  el("verdict").textContent = text;
  el("verdict").className = kind;
}

/** Asks for the verdict on what the ticket says, and shows it; whether it would pass. */
async function judge() {
  clearTimeout(resting);
  const fields = order();
  const asked = JSON.stringify(fields);
  const mine = (turn += 1);
  let found;
  try {
    found = await act("validate-order", fields);
  } catch (error) {
    if (!(error instanceof Refusal) || error.status === 401) throw error;
    if (mine === turn) tell(error.message, "bad");
    return false;
  }
  // Meanwhile something else was typed, or asked.
  if (mine !== turn) return false;
  judged = { order: asked, passes: found.would_pass === true };
  const sized = found.sizing ? `, sized to ${found.sizing.quantity} (bounded by ${found.sizing.bounded_by})` : "";
  if (judged.passes) tell(`It would pass: ${money(found.notional_usd)} USD${sized}.`, "good");
  else if (found.denials) tell(`It would be denied: ${found.denials.map((denial) => denial.message).join("; ")}`, "bad");
  else tell(found.message ?? "The engine has not answered yet.", "warn");
  return judged.passes;
}

/** Sends it once its verdict has been shown and is good. One that was not answered is sent again under the same key. */
async function place() {
  const fields = order();
  const asked = JSON.stringify(fields);
  if (!(judged.order === asked && judged.passes) && !(await judge())) return;
  if (key?.order !== asked) key = { order: asked, text: `page-${Date.now()}-${Math.random().toString(36).slice(2)}` };
  try {
    const done = await act("place-order", fields, key.text);
    key = null;
    tell(`Order ${done.order_id ?? done.request_id} is ${done.status}.`, "good");
  } catch (error) {
    // The daemon has said what became of it; without an answer it may have been placed, and its key is kept.
    if (error instanceof Refusal) key = null;
    if (!(error instanceof Refusal) || error.status === 401) throw error;
    tell(error.message, "bad");
  }
  // The next one is judged anew.
  judged = { order: "", passes: false };
  afterwards();
}
