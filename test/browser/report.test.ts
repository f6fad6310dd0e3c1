// The report as a reader sees it, in headless Chromium.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { catalogue } from "../catalogue.ts";
import { madeUpReport } from "../report/made-up-report.ts";
import { pageOf } from "../report/page.ts";

const rows = catalogue.flatMap((group) => group.rows);
const hostile = '<script>document.title = "owned"</script>';
const folder = mkdtempSync(join(tmpdir(), "report-page-"));
const file = join(folder, "index.html");
const screenshots = fileURLToPath(new URL("../.vitest/", import.meta.url));
const written = fileURLToPath(new URL("../report/index.html", import.meta.url));

let browser: Browser;
beforeAll(async () => {
  writeFileSync(file, pageOf(madeUpReport((result) => ({ ...result, claim: hostile }))));
  const executablePath = process.env["ZT_CHROMIUM"] ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    throw new Error(`${executablePath} is not there: install Chromium, or name it with ZT_CHROMIUM.`);
  }
  // The sandbox needs another user than root.
  const sandbox = process.getuid?.() !== 0;
  browser = await chromium.launch({ executablePath, chromiumSandbox: sandbox, args: ["--disable-quic"] });
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

async function opened(
  path: string,
  options: { readonly width: number; readonly scheme: "light" | "dark" },
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: options.width, height: 900 }, colorScheme: options.scheme });
  await page.goto(pathToFileURL(path).href);
  return page;
}

// Evaluated there, where the names of the browser are known.
const idsOn = (page: Page) =>
  page.evaluate<string[]>('[...document.querySelectorAll("[data-row]")].map((row) => row.dataset.row)');
const hiddenOn = (page: Page) =>
  page.evaluate<string[]>(
    '[...document.querySelectorAll("[data-row]")].filter((row) => !row.checkVisibility()).map((row) => row.id)',
  );
const background = (page: Page) => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
const widthOf = (page: Page) => page.evaluate<number>("document.documentElement.scrollWidth");

test("every row of the catalogue is on the page once, and can be seen", async () => {
  const page = await opened(file, { width: 1280, scheme: "light" });
  expect(await idsOn(page)).toEqual(rows.map(({ id }) => id));
  expect(await hiddenOn(page)).toEqual([]);
  await page.close();
});

test("it asks for nothing but itself, and what was observed is text", async () => {
  const page = await browser.newPage();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  expect(asked).toEqual([pathToFileURL(file).href]);
  expect(await page.title()).toMatch(/^Every door is shut/);
  await page.locator("summary").first().click();
  expect(await page.getByText(hostile).first().isVisible()).toBe(true);
  await page.close();
});

test("light and dark are what the reader's system says", async () => {
  const [light, dark] = await Promise.all(
    (["light", "dark"] as const).map(async (scheme) => await background(await opened(file, { width: 1280, scheme }))),
  );
  expect(light).toBe("rgb(255, 255, 255)");
  expect(dark).toBe("rgb(20, 23, 26)");
});

test.each([320, 390, 768, 1280])("at %i pixels nothing is cut off at the side", async (width) => {
  const page = await opened(file, { width, scheme: "light" });
  expect(await widthOf(page)).toBeLessThanOrEqual(width);
  await page.close();
});

test("the report of the last run has every row too, and its pictures are kept to be looked at", async () => {
  expect(existsSync(written), "a run of the catalogue comes before this: pnpm test:attacks, or test:e2e").toBe(true);
  const views = { light: [1280, "light"], dark: [1280, "dark"], phone: [390, "light"] } as const;
  for (const [name, [width, scheme]] of Object.entries(views)) {
    const page = await opened(written, { width, scheme });
    expect(await idsOn(page)).toEqual(rows.map(({ id }) => id));
    const picture = join(screenshots, `report-${name}.png`);
    await page.screenshot({ path: picture });
    expect(readFileSync(picture).length).toBeGreaterThan(10_000);
    await page.close();
  }
});
