// A headless Chromium, and reports opened in it: whatever goes wrong in a page is written down.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const FOLDER = resolve(process.env.REPORTS || "../../target/reports");
const PROGRAMS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts the browser; in a container nobody but root is there to start it. */
export async function start() {
  const executablePath = PROGRAMS.find((program) => program && existsSync(program));
  if (!executablePath) throw new Error("no Chromium: on Debian, apt install chromium, or set CHROMIUM");
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({ executablePath, args: isRoot ? ["--no-sandbox"] : [] });
}

/** The path of a report. */
export const path = (name) => resolve(FOLDER, `${name}.html`);

/**
 * Opens a report. `faults` grows with every error of the page, everything that the policy refused, every
 * dialog and every request but the one for the page itself.
 */
export async function open(browser, name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  const url = pathToFileURL(path(name)).href;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("popup", () => faults.push("another window"));
  page.on("request", (request) => request.url().split("#")[0] !== url && faults.push(`request: ${request.url().slice(0, 200)}`));
  const began = performance.now();
  await page.goto(url);
  if (options.javaScriptEnabled !== false) {
    await page.waitForSelector("#timeline-live[data-entries]", { state: "visible" });
    // Drawn, and ready for the next thing.
    await page.evaluate(() => new Promise((ready) => requestAnimationFrame(() => setTimeout(ready))));
  }
  return { context, page, faults, opened: performance.now() - began };
}
