// The dashboard in a real browser: node dashboard.mjs ADDRESS SCREENSHOTS [TOKEN]
// Says a line for each thing that holds; `restart` asks whoever runs this to start the daemon anew and to say so.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

const require = createRequire(`${process.env.BROWSER_MODULES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [address, shots, token] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const kind = token ? "with-login" : "open";
const holds = (what) => console.log(`holds: ${what}`);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, colorScheme: "dark" });
const page = await context.newPage();
const faults = [];
let restarting = false;
page.on("console", (message) => {
  // While the daemon is away, and before a login, the browser itself notes that a request had no good answer.
  const network = /Failed to load resource/.test(message.text());
  if (message.type() === "error" && !(network && (restarting || token))) faults.push(message.text());
});
page.on("pageerror", (error) => faults.push(String(error)));
const strangers = [];
page.on("request", (request) => {
  if (!request.url().startsWith(address) && !request.url().startsWith("data:")) strangers.push(request.url());
});

const text = (selector) => page.locator(selector).innerText();
const until = (what, check) => page.waitForFunction(check, undefined, { timeout: 30000 }).then(() => holds(what));

async function accessible(name) {
  // In a world of its own, so that the page's strict policy stays as it is.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa"] }));
  const told = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`);
  assert.deepEqual(told, [], `axe-core, ${name}`);
  holds(`no accessibility violation, ${name}`);
}

await page.goto(address);
if (token) {
  await page.waitForSelector("#login[open]");
  await page.fill("#token", "wrong");
  await page.click("#login button");
  await until("a wrong token is refused in words", () => document.getElementById("login-fault").textContent !== "");
  await page.fill("#token", token);
  await page.click("#login button");
  await page.waitForSelector("#login", { state: "hidden" });
  holds("a token logs in");
}
await until("it is live", () => document.getElementById("link").textContent === "live");
await until("the mode is unmistakable", () => document.getElementById("mode").textContent === "PAPER");
await until("quotes stream", () => /\d/.test(document.getElementById("venues").textContent) && document.getElementById("equity").textContent !== "–");
await page.waitForSelector("#price canvas");
await page.waitForSelector("#curve canvas");
holds("the charts are drawn");

await until("limits and milestones are told", () =>
  document.querySelectorAll("#limits meter").length > 4 && document.querySelectorAll("#milestones tbody tr").length === 6);

// An order that rests, by the ticket; then cancelled.
const status = await page.evaluate(() => fetch("/api/trading/enhanced-execution?action=status").then((a) => a.json()));
const bid = Number(status.data.instruments.find((i) => i.symbol === "BTCUSDT").bid);
await page.selectOption("#instrument", "BTCUSDT@binance");
await page.selectOption("#ticket [name=type]", "limit");
await page.fill("#ticket [name=quantity]", "0.001");
await page.fill("#ticket [name=price]", String(Math.floor(bid * 0.97)));
await page.click("#ticket button[value=place-order]");
const mine = page.locator("#orders tr", { hasText: String(Math.floor(bid * 0.97)) });
await mine.waitFor({ timeout: 30000 });
holds("an order is placed and shown");
await mine.locator("button").click();
await mine.waitFor({ state: "detached", timeout: 30000 });
holds("it is cancelled and gone");

// By the keyboard alone: the fields come in the order that is read, and Enter sends.
await page.selectOption("#ticket [name=type]", "market");
assert.equal(await page.isVisible("#ticket [name=price]"), false, "a market order has no price");
await page.focus("#ticket [name=quantity]");
await page.keyboard.press("ControlOrMeta+A");
await page.keyboard.type("0.001");
await until("the verdict is shown before anything is sent", () => /^It would pass: [\d.]+ USD/.test(document.getElementById("verdict").textContent));
await page.keyboard.press("Enter");
await until("an order is placed by the keyboard", () => / is filled\.$/.test(document.getElementById("verdict").textContent));
await page.locator("#trades tbody tr").first().waitFor({ timeout: 30000 });
await page.locator("#positions tbody tr", { hasText: "BTCUSDT" }).waitFor({ timeout: 30000 });
await page.locator("#by-venue tbody tr", { hasText: "binance" }).waitFor({ timeout: 30000 });
holds("a fill is shown, and the position");

const asked = [];
page.on("request", (request) => request.method() === "POST" && asked.push(JSON.parse(request.postData() ?? "{}")));
await page.fill("#ticket [name=quantity]", "5");
await page.click("#ticket button[value=place-order]");
await until("a verdict is told in words", () => document.getElementById("verdict").textContent.includes("would be denied"));
assert.deepEqual(asked.filter((body) => body.action === "place-order"), [], "what would be denied is not sent");
holds("what would be denied is not sent");

// Everything that an order has.
await page.selectOption("#ticket [name=type]", "stop_limit");
await page.selectOption("#ticket [name=side]", "buy");
await page.fill("#ticket [name=quantity]", "0.001");
await page.fill("#ticket [name=stop_price]", String(Math.floor(bid * 1.02)));
await page.fill("#ticket [name=price]", String(Math.floor(bid * 1.021)));
await page.selectOption("#ticket [name=time_in_force]", "gtc");
await page.fill("#ticket [name=stop_loss]", "2%");
await page.fill("#ticket [name=take_profit]", "off");
await page.click("#ticket button[value=place-order]");
await page.locator("#orders tr", { hasText: String(Math.floor(bid * 1.021)) }).waitFor({ timeout: 30000 });
const sent = asked.findLast((body) => body.action === "place-order");
assert.deepEqual(
  { type: sent.type, time_in_force: sent.time_in_force, exchange: sent.exchange, loss: sent.stop_loss_percent, profit: sent.take_profit },
  { type: "stop_limit", time_in_force: "gtc", exchange: "binance", loss: "2", profit: "off" });
holds("a stop limit order with its exits is placed");
await page.selectOption("#ticket [name=type]", "limit");
await page.fill("#ticket [name=price]", String(Math.floor(bid * 0.98)));
await page.fill("#ticket [name=stop_loss]", "2%");
await page.check("#ticket [name=auto]");
await until("the engine sizes an order", () => document.getElementById("verdict").textContent.includes("sized to"));
await page.uncheck("#ticket [name=auto]");
assert.deepEqual(await page.locator("#ticket [name=exchange] option").evaluateAll((all) => all.map((o) => o.value)), ["binance", "auto"]);

await accessible("dark");
await page.screenshot({ path: `${shots}/${kind}-dark.png`, fullPage: true });
await page.click("#theme");
await accessible("light");
await page.screenshot({ path: `${shots}/${kind}-light.png`, fullPage: true });
await page.setViewportSize({ width: 390, height: 844 });
const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
assert.ok(wide <= 0, `the page is ${wide} px wider than a phone`);
await page.screenshot({ path: `${shots}/${kind}-phone.png`, fullPage: true });
holds("a phone shows it without scrolling sideways");
await page.setViewportSize({ width: 1400, height: 1000 });

// By the keyboard alone.
await page.locator("#stop").focus();
await page.keyboard.press("Enter");
await page.waitForSelector("#confirm[open]");
await page.keyboard.press("Escape");
await page.waitForSelector("#confirm", { state: "hidden" });
assert.match(await text("#trading"), /active/);
holds("the emergency stop asks, and can be left by the keyboard");
await page.click("#stop");
await page.click("#confirm-yes");
await until("the emergency stop halts", () => document.getElementById("trading").textContent.includes("halted"));
const alert = page.locator("#alerts li", { hasText: "EMERGENCY_STOP" }).first();
await alert.locator("button").click();
if (!token) {
  await page.fill("#confirm-fields [name=who]", "Ada");
  await page.click("#confirm-yes");
}
await alert.locator("span", { hasText: /^seen by (Ada|ada)$/ }).first().waitFor({ timeout: 30000 });
holds("an alert is acknowledged by name");
// What an alert says is read without scrolling.
const cut = await page.evaluate(() => [...document.querySelectorAll("#alerts, #venues, #latency")]
  .filter((panel) => panel.scrollWidth > panel.clientWidth)
  .map((panel) => `${panel.id}: ${panel.scrollWidth} in ${panel.clientWidth}`));
assert.deepEqual(cut, [], "panels that are cut off");
await accessible("halted");
await page.screenshot({ path: `${shots}/${kind}-halted.png`, fullPage: true });
await page.click("#resume");
if (!token) await page.fill("#confirm-fields [name=who]", "Ada");
await page.fill("#confirm-fields [name=why]", "the drill is over");
await page.click("#confirm-yes");
await until("a person resumes", () => document.getElementById("trading").textContent.includes("active"));

restarting = true;
console.log("restart");
await until("it says plainly that it is stale", () => !document.getElementById("stale").hidden);
console.log("stale");
assert.equal((await lines.next()).value, "restarted");
if (token) {
  await page.waitForSelector("#login[open]");
  await page.fill("#token", token);
  await page.click("#login button");
  holds("a daemon that was started anew asks again");
}
await until("it is live again after a restart", () =>
  document.getElementById("stale").hidden && document.getElementById("link").textContent === "live");

assert.deepEqual(strangers, [], "requests to other hosts");
holds("no request went to another host");
assert.deepEqual(faults, [], "errors on the console");
holds("no error stood on the console");
await browser.close();
process.exit(0);
