// The page a trader leaves open: loads what is, hears what happens, and says plainly when it is old.

import { Refusal, act, listen, login, logout, session, show } from "/daemon.js";
import * as panels from "/panels.js";
import * as ticket from "/ticket.js";

const { el, make, money } = panels;

/** Longer without a word, while a heartbeat comes every second: what is shown is old. */
const STALE_MS = 5000;

const seen = { status: null, heard: 0, instrument: null, run: null, token: null };
let price, candles, marks, curve, equityLine, drawdownLine;
let high = 0;

// ---- words to the reader

let quiet;
function say(text) {
  el("said").textContent = text;
  el("said").hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => (el("said").hidden = true), 8000);
}

function fault(error) {
  if (error instanceof Refusal && error.status === 401) return askToken();
  say(error.message);
}

// ---- charts

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seconds = (time) => Math.floor(Date.parse(time) / 1000);

function look() {
  return {
    layout: { background: { color: css("--panel") }, textColor: css("--dim"), attributionLogo: false },
    grid: { vertLines: { color: css("--line") }, horzLines: { color: css("--line") } },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 6, borderColor: css("--line") },
    rightPriceScale: { borderColor: css("--line"), scaleMargins: { top: 0.15, bottom: 0.18 } },
    autoSize: true,
  };
}

function charts() {
  const library = window.LightweightCharts;
  price = library.createChart(el("price"), look());
  candles = price.addSeries(library.CandlestickSeries, {});
  marks = library.createSeriesMarkers(candles, []);
  curve = library.createChart(el("curve"), look());
  equityLine = curve.addSeries(library.LineSeries, { color: css("--accent"), lineWidth: 2 });
  drawdownLine = curve.addSeries(library.AreaSeries, {
    lineColor: css("--bad"), topColor: "transparent", bottomColor: "transparent", lineWidth: 1,
  }, 1);
  curve.panes()[1]?.setHeight(80);
}

function repaint() {
  for (const chart of [price, curve]) chart?.applyOptions(look());
  equityLine?.applyOptions({ color: css("--accent") });
  drawdownLine?.applyOptions({ lineColor: css("--bad") });
}

function addEquity(time, text) {
  const value = Number(text);
  high = Math.max(high, value);
  equityLine.update({ time, value });
  drawdownLine.update({ time, value: value - high });
}

async function drawEquity() {
  const { samples } = await show("equity");
  high = 0;
  const points = [];
  for (const sample of samples) {
    const value = Number(sample.equity_usd);
    high = Math.max(high, value);
    points.push({ time: seconds(sample.time), value, fall: value - high });
  }
  equityLine.setData(points.map(({ time, value }) => ({ time, value })));
  drawdownLine.setData(points.map(({ time, fall }) => ({ time, value: fall })));
}

async function drawPrice() {
  if (!seen.instrument) return;
  const [symbol, exchange] = seen.instrument.split("@");
  const found = await show("candles", { symbol, exchange });
  candles.setData(found.candles.map((bar) => ({
    time: seconds(bar.time), open: +bar.open, high: +bar.high, low: +bar.low, close: +bar.close,
  })));
  drawFills((await show("trades", { symbol, limit: 200 })).trades);
}

function drawFills(trades) {
  const points = trades.map((t) => ({
    time: seconds(t.time) - (seconds(t.time) % 60),
    position: t.side === "buy" ? "belowBar" : "aboveBar",
    shape: t.side === "buy" ? "arrowUp" : "arrowDown",
    color: css(t.side === "buy" ? "--good" : "--bad"),
    text: t.side,
  }));
  marks.setMarkers(points.sort((a, b) => a.time - b.time));
}

function onQuote(quote, time) {
  if (seen.instrument !== `${quote.symbol}@${quote.exchange}` || !candles) return;
  const mid = (Number(quote.bid) + Number(quote.ask)) / 2;
  const began = seconds(time) - (seconds(time) % 60);
  const last = candles.data().at(-1);
  const same = last?.time === began;
  if (last && began < last.time) return;
  candles.update(same
    ? { ...last, high: Math.max(last.high, mid), low: Math.min(last.low, mid), close: mid }
    : { time: began, open: mid, high: mid, low: mid, close: mid });
}

// ---- panels

/** What this daemon does not answer is not asked for: the panel then says so. */
const maybe = async (action) => (seen.status?.looks?.includes(action) ? show(action) : null);

const load = {
  async status() {
    const status = await show("status");
    seen.status = status;
    if (seen.run !== null && seen.run !== status.run) say("The engine was started anew.");
    seen.run = status.run;
    el("name").textContent = status.name;
    document.title = `${status.mode.toUpperCase()} · ${status.name}`;
    const live = status.mode !== "paper";
    el("mode").textContent = live ? `LIVE ${status.stage ?? ""}`.trim() : "PAPER";
    el("mode").className = `badge ${live ? "live" : "good"}`;
    el("trading").textContent = `trading ${status.trading_state}`;
    el("trading").className = `badge ${{ active: "good", reducing: "warn" }[status.trading_state] ?? "bad"}`;
    el("resume").hidden = status.trading_state === "active";
    figures(status);
    el("run-pnl").textContent = money(status.run_pnl_usd);
    panels.venues(status);
    panels.latency(status.latency);
    instruments(status.instruments);
    ticket.venues(status.instruments);
  },
  async positions() {
    panels.positions((await show("positions")).positions, close);
    panels.byVenue((await maybe("portfolio"))?.venues ?? []);
  },
  async orders() {
    panels.orders((await show("orders")).orders, cancel);
  },
  async trades() {
    const { trades } = await show("trades", { limit: 50 });
    panels.trades(trades);
    const [symbol] = (seen.instrument ?? "").split("@");
    if (symbol) drawFills((await show("trades", { symbol, limit: 200 })).trades);
  },
  async alerts() {
    const found = await maybe("alerts");
    panels.alerts(found?.alerts ?? seen.status?.recent_alarms ?? [], acknowledge);
  },
  async risk() {
    const found = await maybe("risk-metrics");
    panels.limits(found ? used(found) : []);
    const pairs = found?.correlations ?? [];
    const names = [...new Set(pairs.flatMap((pair) => pair.symbols))];
    const of = (a, b) => pairs.find((pair) => pair.symbols.includes(a) && pair.symbols.includes(b))?.correlation ?? null;
    panels.correlation(names, names.map((a) => names.map((b) => (a === b ? 1 : of(a, b)))));
  },
  async transition() {
    panels.milestones(await maybe("transition-status"), decide);
  },
};

/** Parts of limits that are used: name, part, and both in words. */
function used(risk) {
  const of = (name, { value_usd: value, limit_usd: limit }) =>
    // The other side of a book that leans one way uses nothing.
    Number(limit) > 0 ? [{ name, used: Math.max(0, Number(value) / Number(limit)), shown: `${money(Number(value) > 0 ? value : "0")} of ${money(limit)} USD` }] : [];
  return [
    { name: "Risk score", used: risk.score.value / (risk.score.limit || 100), shown: `${risk.score.value} of ${risk.score.limit || 100}` },
    ...of("Daily loss", risk.day_loss),
    ...of("Value at risk", risk.value_at_risk.undiversified),
    ...of("Gross exposure", risk.gross_exposure),
    ...of("Net exposure, long", risk.net_exposure.long),
    ...of("Net exposure, short", risk.net_exposure.short),
    ...risk.venues.flatMap((venue) => of(`Exposure at ${venue.exchange}`, venue.exposure)),
    ...risk.assets.flatMap((asset) => of(`Exposure in ${asset.asset}`, asset.exposure)),
  ];
}

function figures(money_) {
  el("equity").textContent = money(money_.equity_usd);
  el("day-pnl").textContent = money(money_.day_pnl_usd);
  el("day-pnl").className = String(money_.day_pnl_usd).startsWith("-") ? "bad" : "good";
}

function instruments(found) {
  const keys = found.map((i) => `${i.symbol}@${i.exchange}`);
  const select = el("instrument");
  if ([...select.options].map((option) => option.value).join() === keys.join()) return;
  select.replaceChildren(...keys.map((key) => make("option", { value: key }, key.replace("@", " at "))));
  if (!keys.includes(seen.instrument)) seen.instrument = keys[0] ?? null;
  if (seen.instrument) select.value = seen.instrument;
  drawPrice().catch(fault);
}

const due = new Map();
/** Loads panels soon, and each once however many events ask for it. */
function refresh(...names) {
  for (const name of names) {
    if (due.has(name)) continue;
    due.set(name, setTimeout(() => {
      due.delete(name);
      load[name]().catch(fault);
    }, 250));
  }
}

async function everything() {
  await load.status();
  refresh("positions", "orders", "trades", "alerts", "risk", "transition");
  drawEquity().catch(fault);
  if (seen.instrument) drawPrice().catch(fault);
}

// ---- events

const WAKES = {
  order_placed: ["orders"], order_acknowledged: ["orders"], order: ["orders"], order_denied: ["status"],
  order_filled: ["orders", "trades", "positions"], position: ["positions"], alert: ["alerts", "status"],
  trading_state: ["status"], emergency_stop: ["status", "orders"], connection: ["status"],
  transition: ["transition", "status"], command: ["alerts"], performance: ["status", "risk"],
};

function onEvent(event) {
  seen.heard = Date.now();
  if (event.type === "quote") return onQuote(event.data, event.time);
  if (event.type === "pnl") {
    figures(event.data);
    const time = seconds(event.time);
    addEquity(time, event.data.equity_usd);
    return;
  }
  refresh(...(WAKES[event.type] ?? []));
}

function watch() {
  const old = Date.now() - seen.heard;
  const stale = seen.heard > 0 && old > STALE_MS;
  el("stale").hidden = !stale;
  if (stale) el("stale").textContent = `STALE: nothing was heard for ${Math.floor(old / 1000)} s. What is shown is old.`;
  el("link").textContent = stale ? "stale" : seen.heard ? "live" : "connecting";
  el("link").className = `badge ${stale ? "bad" : seen.heard ? "good" : "warn"}`;
}

// ---- acting

async function confirmed(title, text, yes, { flatten = false, fields = [] } = {}) {
  el("confirm-title").textContent = title;
  el("confirm-text").textContent = text;
  el("confirm-yes").textContent = yes;
  el("flatten-label").hidden = !flatten;
  el("flatten").checked = false;
  const inputs = fields.map((name) => make("input", { name, value: name === "who" ? named : undefined, required: "", autocomplete: "off", maxlength: name === "who" ? 24 : 48 }));
  el("confirm-fields").replaceChildren(...inputs.map((input) => make("label", {}, { who: "Your name", why: "Why" }[input.name], input)));
  const dialog = el("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "yes") return null;
  named = inputs.find((input) => input.name === "who")?.value ?? named;
  return Object.fromEntries(inputs.map((input) => [input.name, input.value]));
}

async function stop() {
  const text = "Every working order on every venue is cancelled, and nothing is sent until a person resumes.";
  if (!(await confirmed("Stop all trading?", text, "Stop now", { flatten: true }))) return;
  const done = await act("emergency-stop", { flatten: el("flatten").checked, reason: "dashboard" });
  say(done.complete === false ? "Stopping: not everything is confirmed yet." : "Trading is halted.");
  refresh("status", "orders", "positions");
}

/** A token says who it is; without one a person gives a name. */
const person = () => (seen.token ? ["why"] : ["who", "why"]);
/** The name that was given last. */
let named = "";

async function resume() {
  const said = await confirmed("Trade again?", "You answer for it, by name.", "Resume", { fields: person() });
  if (!said) return;
  await act("resume", said);
  say("Trading is active.");
  refresh("status");
}

async function decide(action) {
  const title = action === "approve-transition" ? "Approve going live?" : "Reject going live?";
  const said = await confirmed(title, "It is kept in the journal with your name.", action.split("-")[0], { fields: person() });
  if (!said) return;
  await act(action, said).catch(fault);
  refresh("transition", "status");
}

async function cancel(order) {
  await act("cancel-order", { order_id: order.order_id }).catch(fault);
  refresh("orders");
}

async function close(position) {
  const text = `Orders in ${position.symbol} are cancelled and the position is closed at the market.`;
  if (!(await confirmed(`Close ${position.quantity} ${position.symbol}?`, text, "Close"))) return;
  await act("close-position", { symbol: position.symbol, exchange: position.exchange }).catch(fault);
  refresh("positions", "orders");
}

async function acknowledge(alert) {
  const fields = seen.token || named ? [] : ["who"];
  if (fields.length) {
    const said = await confirmed(`Acknowledge ${alert.kind}?`, "It is kept in the journal with your name.", "Acknowledge", { fields });
    if (!said) return;
  }
  await act("acknowledge-alert", { alert_id: alert.alert_id, ...(named && !seen.token ? { who: named } : {}) }).catch(fault);
  refresh("alerts");
}

// ---- who

let asking;
function askToken() {
  asking ??= (async () => {
    const dialog = el("login");
    dialog.showModal();
    await new Promise((done) => {
      dialog.querySelector("form").onsubmit = async (event) => {
        event.preventDefault();
        try {
          await login(el("token").value.trim());
          el("token").value = "";
          dialog.close();
          done();
        } catch (error) {
          el("login-fault").textContent = error.message;
        }
      };
      // Without a token there is nothing to see.
      dialog.oncancel = (event) => event.preventDefault();
    });
    asking = null;
    await begin();
  })();
  return asking;
}

let listening = false;
async function begin() {
  const who = await session();
  seen.token = who.token;
  el("logout").hidden = !who.csrf_token;
  await everything();
  if (listening) return;
  listening = true;
  listen({
    event: onEvent,
    open: () => {
      seen.heard = Date.now();
      everything().catch(fault);
    },
    lost: watch,
    // Logged out, or the daemon was started anew and knows no session: seen once it answers.
    ended: () => {
      listening = false;
      setTimeout(again, 2000);
    },
  });
}

function again() {
  begin().catch((error) => {
    fault(error);
    if (!(error instanceof Refusal && error.status === 401)) setTimeout(again, 2000);
  });
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  repaint();
}

function start() {
  const wished = localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  document.documentElement.dataset.theme = wished;
  charts();
  el("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  el("stop").addEventListener("click", () => stop().catch(fault));
  el("resume").addEventListener("click", () => resume().catch(fault));
  el("logout").addEventListener("click", () => logout().then(askToken).catch(fault));
  ticket.begin({ symbol: () => seen.instrument, done: () => refresh("orders", "positions", "trades"), fault });
  el("instrument").addEventListener("change", (event) => {
    seen.instrument = event.target.value;
    ticket.venues(seen.status?.instruments ?? []);
    drawPrice().catch(fault);
  });
  setInterval(watch, 1000);
  // What no event tells: ages, percentiles, parts of limits.
  setInterval(() => document.visibilityState === "visible" && refresh("status", "risk"), 5000);
  again();
}

start();
