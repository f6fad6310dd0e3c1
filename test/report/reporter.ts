import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { catalogue } from "../catalogue.ts";
import { matrixOf } from "./matrix.ts";
import { pageOf } from "./page.ts";
import { reportOf, type ScenarioResult } from "./report.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));

/** Writes `test/report/index.html` and `report.json` after a run that had scenarios in it, and prints the matrix. */
export default class CatalogueReporter implements Reporter {
  readonly #startedAt = new Date();

  onTestRunEnd(modules: readonly TestModule[]): void {
    const cases = modules
      .filter(({ moduleId }) => /\/test\/(?:attacks|e2e)\//.test(moduleId))
      .flatMap((module) => [...module.children.allTests()]);
    const results = cases.flatMap(resultOf);
    if (results.length === 0) return;
    const driver = process.env["ZT_STACK"] === "containers" ? "containers" : "processes";
    const run = {
      driver,
      startedAt: this.#startedAt.toISOString(),
      durationMs: Date.now() - this.#startedAt.getTime(),
    } as const;
    const report = reportOf(run, catalogue, results);
    writeWhole("report.json", `${JSON.stringify(report, null, 2)}\n`);
    writeWhole("index.html", pageOf(report));
    const said = `\n${matrixOf(report)}\n\n  ${join(folder, "index.html").replace(root, "")}`;
    // After what other reporters have to say.
    process.once("exit", () => console.log(said));
  }
}

/** The result of a test whose name begins with the id of a row; one that its file could not come to has failed. */
function resultOf(test: TestCase): readonly ScenarioResult[] {
  const [, id, claim] = /^([A-Z]\d+b?): (.*)$/s.exec(test.name) ?? [];
  const { state } = test.result();
  const left = state === "skipped" || state === "pending";
  if (id === undefined || claim === undefined || (left && test.module.errors().length === 0)) return [];
  const observations = test.meta().scenario?.observations ?? [];
  return [{ id, claim, passed: state === "passed", durationMs: test.diagnostic()?.duration ?? 0, observations }];
}

/** Whoever reads it meanwhile sees the one of before, or this one. */
function writeWhole(name: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
