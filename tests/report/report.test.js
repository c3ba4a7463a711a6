// Reports in a browser: nothing leaves, nothing breaks out, everybody can read them.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { open, path, start } from "./browser.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// What is not seen as what it is: controls, marks of direction, zero width.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;
// What a vault takes in one piece.
const MOST_BYTES = 8 * 1024 * 1024;

let browser;
before(async () => { browser = await start(); });
after(() => browser?.close());

const using = async (name, options, look) => {
  const opened = await open(browser, name, options);
  try {
    await look(opened);
    assert.deepEqual(opened.faults, []);
  } finally {
    await opened.context.close();
  }
};

for (const name of ["specimen", "sealed", "hostile"]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${name}, ${colorScheme}: no serious barrier`, () => using(name, { colorScheme }, async ({ page }) => {
      await page.evaluate(AXE);
      // As it is opened, and with everything unfolded and an entry chosen.
      for (const unfold of [false, true]) {
        if (unfold) {
          await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
          await page.locator(".row").first().click();
        }
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
        const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
        assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`), []);
      }
    }));
  }
}

test("headings are in order, and every section has one", () => using("specimen", {}, async ({ page }) => {
  const levels = await page.$$eval("h1, h2, h3, h4", (all) => all.map((one) => Number(one.tagName[1])));
  assert.equal(levels.filter((level) => level === 1).length, 1);
  levels.forEach((level, place) => assert.ok(place === 0 || level <= levels[place - 1] + 1, `${levels}`));
  const unnamed = await page.$$eval("section", (all) => all.filter((one) => !document.getElementById(one.getAttribute("aria-labelledby"))).length);
  assert.equal(unnamed, 0);
}));

for (const name of ["specimen", "hostile", "large"]) {
  test(`${name}: only what is ours is in the page, and it fits into a vault`, () => using(name, {}, async ({ page }) => {
    const found = await page.evaluate(() => ({
      scripts: document.querySelectorAll("script").length,
      styles: document.querySelectorAll("style, link").length,
      loading: document.querySelectorAll("img, iframe, object, embed, video, audio, form, base, meta[http-equiv=refresh], use, image").length,
      attributes: [...document.querySelectorAll("*")].flatMap((one) => [...one.attributes]).filter(({ name, value }) => name.startsWith("on") || /^\s*javascript:/i.test(value)).length,
      links: [...document.querySelectorAll("a")].filter((one) => !one.getAttribute("href").startsWith("#")).length,
    }));
    assert.deepEqual(found, { scripts: 2, styles: 1, loading: 0, attributes: 0, links: 0 });
    assert.ok(statSync(path(name)).size < MOST_BYTES);
  }));
}

test("hostile text is shown as text", () => using("hostile", {}, async ({ page }) => {
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  const text = await page.evaluate(() => document.body.textContent.replace(document.getElementById("timeline-data").textContent, ""));
  assert.match(text, /<script>/i);
  assert.match(text, /\\u\{1b\}/);
  assert.match(text, /\\u\{202e\}/);
  const visible = await page.evaluate(() => document.body.innerText);
  assert.doesNotMatch(visible, HIDDEN);
  assert.doesNotMatch(await page.title(), HIDDEN);
}));

test("a hundred thousand entries open in three seconds and stay usable", () => using("large", {}, async ({ page, opened }) => {
  const entries = Number(await page.getAttribute("#timeline-live", "data-entries"));
  assert.ok(entries >= 100_000, `${entries} entries`);
  assert.ok(opened < 3000, `opened after ${opened} ms`);
  const took = (act) => page.evaluate(async (act) => {
    const began = performance.now();
    const list = document.querySelector(".list");
    if (act === "end") list.scrollTop = list.scrollHeight;
    if (act === "search") { const field = document.querySelector("input[type=search]"); field.value = "updatefunctioncode"; field.dispatchEvent(new Event("input")); await new Promise((done) => setTimeout(done, 130)); }
    if (act === "zoom") document.querySelector("[aria-label='Zoom in']").click();
    await new Promise((ready) => requestAnimationFrame(() => setTimeout(ready)));
    return { ms: performance.now() - began, rows: document.querySelectorAll(".row").length, said: document.querySelector(".said").textContent };
  }, act);
  const end = await took("end");
  assert.ok(end.rows > 5 && end.rows < 100, `${end.rows} rows in the page`);
  const last = await page.locator(".row").last().getAttribute("aria-posinset");
  assert.equal(Number(last), entries);
  const zoom = await took("zoom");
  const search = await took("search");
  assert.notEqual(search.said, zoom.said);
  for (const { ms } of [end, zoom, search]) assert.ok(ms < 1000, `${ms} ms`);
  console.log(`opened after ${Math.round(opened)} ms; end of the list ${Math.round(end.ms)} ms, zoom ${Math.round(zoom.ms)} ms, search ${Math.round(search.ms)} ms`);
}));

test("the keyboard gets everywhere", () => using("specimen", {}, async ({ page }) => {
  const focused = () => page.evaluate(() => { const one = document.activeElement; return `${one.tagName.toLowerCase()}.${one.className}`; });
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "a.skip");
  const seen = [];
  for (let step = 0; step < 80 && !seen.includes("div.list"); step++) {
    await page.keyboard.press("Tab");
    const now = await focused();
    seen.push(now);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", `the focus on ${now} is not seen`);
    if (now === "canvas.draw") {
      const said = () => page.textContent(".said");
      const whole = await said();
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("ArrowUp");
      assert.notEqual(await said(), whole);
      await page.keyboard.press("0");
      assert.equal(await said(), whole);
    }
  }
  for (const wanted of ["input.", "select.", "button.", "canvas.draw", "div.list"]) assert.ok(seen.includes(wanted), `${wanted} among ${seen}`);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator(".row[aria-selected=true]").getAttribute("aria-posinset"), "2");
  assert.ok(await page.locator(".detail").isVisible());
}));

test("search and severity leave what was asked for", () => using("specimen", {}, async ({ page }) => {
  const count = async () => Number((await page.textContent(".said")).split(" of ")[0].replace(/\D/g, ""));
  const all = await count();
  await page.selectOption("select", "4");
  const severe = await count();
  assert.ok(severe > 0 && severe < all, `${severe} of ${all}`);
  await page.selectOption("select", "0");
  await page.fill("input[type=search]", "no such thing anywhere");
  await page.waitForFunction(() => document.querySelector(".said").textContent.startsWith("0 "));
  await page.fill("input[type=search]", "");
  await page.waitForFunction((all) => document.querySelector(".said").textContent.startsWith(all), (await page.textContent(".said")).replace(/^0/, String(all)).split(" ")[0]);
  await page.locator(".sources input").first().uncheck();
  assert.ok(await count() < all);
}));

test("without script everything but zoom and filters is there", () => using("specimen", { javaScriptEnabled: false }, async ({ page }) => {
  for (const id of ["glance", "timeline", "differences", "findings", "role", "invocations", "acquisitions", "custody", "chain"]) assert.ok(await page.locator(`#${id} h2`).isVisible(), id);
  assert.ok(await page.locator("h1").isVisible());
  assert.ok(await page.locator("#timeline-plain tbody tr").first().isVisible());
  assert.ok(await page.locator("#timeline-plain svg").isVisible());
  assert.ok(await page.locator(".finding").first().isVisible());
  assert.ok(await page.locator("#timeline-live").isHidden());
}));

test("printed, everything is open, with and without script", async () => {
  for (const javaScriptEnabled of [true, false]) {
    await using("specimen", { javaScriptEnabled }, async ({ page }) => {
      await page.emulateMedia({ media: "print" });
      assert.ok(await page.locator("#timeline-plain").isVisible());
      assert.ok(await page.locator("#timeline-live").isHidden());
      const folded = page.locator("details > :not(summary)");
      const count = await folded.count();
      assert.ok(count > 0);
      for (let place = 0; place < Math.min(count, 20); place++) {
        const box = await folded.nth(place).boundingBox();
        assert.ok(box && box.height > 0, `fold ${place} is closed`);
      }
      const pdf = await page.pdf({ format: "A4" });
      assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
      assert.ok(pdf.length > 20_000);
    });
  }
});

for (const name of ["specimen", "hostile"]) {
  test(`${name}: a phone needs no scrolling to the side`, () => using(name, { viewport: { width: 320, height: 640 }, hasTouch: true }, async ({ page }) => {
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
    const { wide, culprits } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      culprits: [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > 321 && !one.closest(".scroll, figure, svg, pre, .list")).slice(0, 5).map((one) => one.outerHTML.slice(0, 120)),
    }));
    assert.deepEqual(culprits, []);
    assert.ok(wide <= 320, `${wide} px wide`);
  }));
}
