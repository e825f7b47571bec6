// What each panel shows, made of the daemon's answers. Text goes in as text: nothing a venue wrote becomes a page.

export const el = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const plain = (value) => (value === null || value === undefined || value === "" ? "–" : String(value));
const clock = (time) => plain(time).slice(11, 19);

/** A decimal string cut to so many places, with its sign; no arithmetic is done with money here. */
export function money(text, places = 2) {
  if (text == null) return "–";
  const [whole, part = ""] = String(text).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, " ");
  return places ? `${grouped}.${part.padEnd(places, "0").slice(0, places)}` : grouped;
}

/** A decimal string of which people read no more than so many places behind the point: fewer before a long number. */
function short(text) {
  if (text == null || text === "") return "–";
  const [whole, part = ""] = String(text).split(".");
  const places = Math.max(2, 8 - whole.replace("-", "").replace(/^0$/, "").length);
  return part.length > places ? `${whole}.${part.slice(0, places)}` : String(text);
}

const sign = (text) => (text == null || /^-?0*\.?0*$/.test(text) ? "" : String(text).startsWith("-") ? "bad" : "good");

/** A table of rows; a column is [head, cell] or [head, cell, "num"], a cell text or a node. */
function table(place, caption, columns, rows, empty) {
  if (!rows?.length) {
    place.replaceChildren(make("p", { class: "dim" }, empty));
    return;
  }
  const head = make("tr", {}, ...columns.map(([name, , kind]) => make("th", { scope: "col", class: kind ?? "" }, name)));
  const body = rows.map((row) =>
    make("tr", {}, ...columns.map(([, cell, kind]) => {
      const found = cell(row);
      return make("td", { class: kind ?? "" }, found instanceof Node ? found : plain(found));
    })),
  );
  const hidden = make("caption", {}, caption);
  place.replaceChildren(make("table", {}, hidden, make("thead", {}, head), make("tbody", {}, ...body)));
}

/** Coloured by the sign of what is shown: what rounds to nothing has none. */
function tinted(text, places = 2) {
  const shown = money(text, places);
  const tint = sign(shown.replaceAll(" ", ""));
  return make("span", { class: tint }, tint ? shown : shown.replace("-", ""));
}

export function positions(rows, close) {
  table(el("positions"), "What is held", [
    ["Symbol", (p) => p.symbol],
    ["Venue", (p) => p.exchange],
    ["Side", (p) => p.side],
    ["Quantity", (p) => p.quantity, "num"],
    ["Average", (p) => short(p.average_price), "num"],
    ["Mark", (p) => short(p.mark_price), "num"],
    ["Unrealised USD", (p) => tinted(p.unrealised_usd), "num"],
    ["Realised USD", (p) => tinted(p.realised_usd), "num"],
    ["", (p) => make("button", { type: "button", onclick: () => close(p), "aria-label": `Close ${p.symbol}` }, "Close")],
  ], rows, "Nothing is held.");
}

export function byVenue(rows) {
  table(el("by-venue"), "Profit and loss by venue, since the journal began", [
    ["Venue", (v) => v.exchange],
    ["Exposure USD", (v) => money(v.exposure_usd), "num"],
    ["Unrealised USD", (v) => tinted(v.unrealised_usd), "num"],
    ["Realised USD", (v) => tinted(v.realised_usd), "num"],
    ["Fees USD", (v) => money(v.fees_usd), "num"],
    ["All told USD", (v) => tinted(v.pnl_usd), "num"],
  ], rows, "No venue.");
}

export function orders(rows, cancel) {
  table(el("orders"), "Orders that work", [
    ["Order", (o) => o.order_id],
    ["Symbol", (o) => o.symbol],
    ["Side", (o) => o.side],
    ["Type", (o) => o.type],
    ["Quantity", (o) => o.quantity, "num"],
    ["Filled", (o) => o.filled_quantity, "num"],
    ["Price", (o) => o.price ?? o.stop_price, "num"],
    ["Status", (o) => o.status],
    ["", (o) => make("button", { type: "button", onclick: () => cancel(o), "aria-label": `Cancel order ${o.order_id}` }, "Cancel")],
  ], rows, "No order works.");
}

export function trades(rows) {
  table(el("trades"), "The latest fills", [
    ["Time", (t) => clock(t.time)],
    ["Symbol", (t) => t.symbol],
    ["Side", (t) => make("span", { class: t.side === "buy" ? "good" : "bad" }, t.side)],
    ["Quantity", (t) => t.quantity, "num"],
    ["Price", (t) => t.price, "num"],
    ["Fee USD", (t) => money(t.fee_usd, 4), "num"],
    ["Realised USD", (t) => tinted(t.realised_usd, 4), "num"],
  ], rows, "No fills yet.");
}

const SEVERITY = { emergency: "bad", critical: "bad", warning: "warn" };

/** Alerts that know a severity can be acknowledged; the alarms of a daemon without them are shown as they are. */
export function alerts(rows, acknowledge) {
  if (!rows?.length) {
    el("alerts").replaceChildren(make("p", { class: "dim" }, "No alerts."));
    return;
  }
  const state = (a) => {
    if (a.cleared_at) return make("span", { class: "dim" }, `over since ${clock(a.cleared_at)}`);
    if (a.acknowledged_by) return make("span", { class: "dim" }, `seen by ${a.acknowledged_by}`);
    if (!a.alert_id) return null;
    return make("button", { type: "button", onclick: () => acknowledge(a), "aria-label": `Acknowledge ${a.kind}` }, "Acknowledge");
  };
  const times = (a) => (a.count > 1 ? `, ${a.count} times` : "");
  el("alerts").replaceChildren(make("ul", { class: "alerts" }, ...rows.map((a) => {
    const tint = SEVERITY[a.severity] ?? "";
    return make("li", { class: a.cleared_at ? "over" : tint },
      make("span", {}, make("b", { class: a.cleared_at ? "dim" : tint }, plain(a.severity).toUpperCase()), ` ${plain(a.kind)}`),
      make("span", {}, state(a)),
      make("p", {}, plain(a.message ?? a.symbol)),
      make("p", { class: "dim" }, `${clock(a.raised_at ?? a.time)}${times(a)}`));
  })));
}

export function limits(rows) {
  if (!rows?.length) {
    el("limits").replaceChildren(make("p", { class: "dim" }, "No limit is told."));
    return;
  }
  el("limits").replaceChildren(...rows.map(({ name, used, shown }) => {
    const part = Math.max(0, Math.min(1, used));
    const bar = make("meter", { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 0, value: part, "aria-label": name });
    return make("div", { class: "limit" }, make("span", {}, make("b", {}, name), make("i", { class: "dim" }, shown)), bar);
  }));
}

export function venues(status) {
  const rows = [
    ...status.venues.map((v) => ({ what: v.name, state: v.state, detail: "takes orders when ready" })),
    ...status.instruments.map((i) => ({
      what: `${i.symbol} at ${i.exchange}`,
      state: i.feed,
      detail: i.quote_age_ms == null ? "no quote" : `${i.bid} / ${i.ask}`,
      age: i.quote_age_ms,
    })),
  ];
  const good = (state) => ["ready", "live", "healthy"].includes(state);
  table(el("venues"), "Connections", [
    ["Where", (r) => r.what],
    ["State", (r) => make("span", { class: good(r.state) ? "good" : "bad" }, r.state)],
    ["Bid / ask", (r) => r.detail, "wrap"],
    ["Age", (r) => (r.age == null ? "" : r.age < 10000 ? `${r.age} ms` : `${Math.floor(r.age / 1000)} s`), "num"],
  ], rows, "No venue.");
}

/** Three digits, and the unit that they are read in. */
function micros(ns) {
  const [value, unit] = ns >= 1e9 ? [ns / 1e9, "s"] : ns >= 1e6 ? [ns / 1e6, "ms"] : [ns / 1e3, "µs"];
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}

export function latency(rows) {
  table(el("latency"), "Of orders in this run", [
    ["Stage", (s) => s.stage.replaceAll("_", " "), "wrap"],
    ["p50", (s) => micros(s.p50_ns), "num"],
    ["p99", (s) => micros(s.p99_ns), "num"],
    ["p99.9", (s) => micros(s.p999_ns), "num"],
    ["max", (s) => micros(s.max_ns), "num"],
  ], rows?.filter((s) => s.count > 0), "No order has gone all the way yet.");
}

export function milestones(found, decide) {
  const place = el("milestones");
  if (!found) {
    place.replaceChildren(make("p", { class: "dim" }, "This daemon does not tell."));
    return;
  }
  table(place, `State: ${found.state}`, [
    ["Milestone", (m) => m.name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`).replace(/^min /, "least ").replace(/^max /, "most ")],
    ["Value", (m) => (Number.isFinite(Number(m.value ?? NaN)) ? String(Number(Number(m.value).toPrecision(3))) : m.value), "num"],
    ["Needed", (m) => m.need, "num"],
    ["Met", (m) => make("span", { class: m.met ? "good" : "warn" }, m.met ? "yes" : "no")],
    ["Missing", (m) => m.missing, "wrap"],
  ], found.milestones, `State: ${found.state}`);
  if (found.state !== "pending_approval") return;
  place.append(make("div", { class: "actions" },
    make("button", { type: "button", onclick: () => decide("approve-transition") }, "Approve"),
    make("button", { type: "button", onclick: () => decide("reject-transition") }, "Reject")));
}

/** `names` and `matrix`: a number between -1 and 1 for each pair, null where it is not known yet. */
export function correlation(names, matrix) {
  if (!names?.length) {
    el("correlation").replaceChildren(make("p", { class: "dim" }, "Not enough samples yet."));
    return;
  }
  const cell = (value) => {
    if (value == null) return make("td", {}, "–");
    const level = Math.min(4, Math.ceil(Math.abs(value) * 4));
    return make("td", { class: `c${level}${value < 0 ? " neg" : ""}` }, Number(value).toFixed(2));
  };
  const head = make("tr", {}, make("td", {}), ...names.map((name) => make("th", { scope: "col" }, name)));
  const rows = names.map((name, n) => make("tr", {}, make("th", { scope: "row" }, name), ...matrix[n].map(cell)));
  const caption = make("caption", {}, "Rolling, of the instruments' returns");
  el("correlation").replaceChildren(make("table", { class: "heat" }, caption, make("thead", {}, head), make("tbody", {}, ...rows)));
}
