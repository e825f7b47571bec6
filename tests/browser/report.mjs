// A report in a real browser: node report.mjs PAGE SCREENSHOTS. Says a line for each thing that holds.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import assert from "node:assert/strict";

const require = createRequire(`${process.env.BROWSER_MODULES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [page_file, shots] = process.argv.slice(2);
const address = pathToFileURL(page_file).href;
const holds = (what) => console.log(`holds: ${what}`);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
for (const [scheme, width] of [["light", 1100], ["dark", 1100], ["light", 420]]) {
  const name = `${scheme}-${width}`;
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  const [faults, strangers] = [[], []];
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => { if (request.url() !== address) strangers.push(request.url()); });
  await page.goto(address);
  const heads = await page.locator("h2").allInnerTexts();
  for (const wanted of ["Equity, USD", "Drawdown", "Return by month", "Result of a trade after fees, USD", "By instrument", "By venue", "By strategy", "All numbers", "Denied orders by rule", "Latency by stage, last run"]) {
    assert.ok(heads.includes(wanted), `${wanted} is not among ${heads}`);
  }
  holds(`every part is there, ${name}`);
  for (const plot of await page.locator("svg").all()) {
    const box = await plot.boundingBox();
    assert.ok(box.width > width * 0.7 && box.height > 50, `a plot of ${box.width} by ${box.height}`);
    // Texts of a plot stand apart from each other.
    const clash = await plot.evaluate((svg) => {
      const boxes = [...svg.querySelectorAll("text")].map((t) => t.getBoundingClientRect());
      const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
      return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b))).length;
    });
    assert.equal(clash, 0, `${clash} labels of a plot stand on each other, ${name}`);
  }
  holds(`plots fill the page and can be read, ${name}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide, ${name}`);
  holds(`nothing is cut off, ${name}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa"] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`), [], name);
  holds(`no accessibility violation, ${name}`);
  assert.deepEqual([faults, strangers], [[], []]);
  await page.screenshot({ path: `${shots}/report-${name}.png`, fullPage: true });
  await context.close();
}
holds("no request went anywhere");
await browser.close();
