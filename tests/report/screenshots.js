// Pictures of the specimen's report: `make screenshots` puts the three of the README into infra/screenshots,
// and all of them into target/reports.

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { open, path, start } from "./browser.js";

const folder = resolve(path("x"), "..");
const kept = resolve("../../infra/screenshots");
mkdirSync(kept, { recursive: true });
const browser = await start();
const shot = async (name, report, options, act = async () => {}, into = folder) => {
  const { context, page } = await open(browser, report, options);
  await act(page);
  await page.screenshot({ path: resolve(into, `${name}.png`), ...(options.whole ? { fullPage: true } : {}) });
  await context.close();
};
const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 1, hasTouch: true };
const at = (id) => async (page) => { await page.evaluate((id) => { document.documentElement.style.scrollBehavior = "auto"; document.getElementById(id).scrollIntoView(); }, id); await page.waitForTimeout(100); };
for (const colorScheme of ["light", "dark"]) {
  await shot(`whole-${colorScheme}`, "specimen", { colorScheme, whole: true });
  await shot(`hostile-${colorScheme}`, "hostile", { colorScheme, whole: true });
  await shot(`phone-${colorScheme}`, "specimen", { ...phone, colorScheme, whole: true });
}
await shot("large", "large", { colorScheme: "light" }, at("timeline"));
const page = { viewport: { width: 1120, height: 720 } };
await shot("report-light", "specimen", { ...page, colorScheme: "light" }, undefined, kept);
await shot("report-dark", "specimen", { ...page, colorScheme: "dark" }, at("callers"), kept);
await shot("report-phone", "specimen", { ...phone, colorScheme: "light" }, undefined, kept);
await browser.close();
