import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { reportedAsPassing } from "./reported.ts";

const file = "packages/auth/src/identity.test.ts";
let tree = "";

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "reported-"));
});
afterEach(() => {
  rmSync(tree, { recursive: true });
});

function report(text: string): void {
  mkdirSync(join(tree, "packages/auth/.vitest"), { recursive: true });
  writeFileSync(join(tree, "packages/auth/.vitest/report.json"), text);
}

function ran(status: string, tests: readonly string[], name: string = join(tree, file)): void {
  const assertionResults = tests.map((each) => ({ status: each, fullName: "a test", failureMessages: [] }));
  report(JSON.stringify({ testResults: [{ name, status, message: "", assertionResults }] }));
}

test("a file passes by the report of its package: so many of its tests as were not skipped", () => {
  ran("passed", ["passed", "skipped", "passed"]);
  expect(reportedAsPassing(tree, file)).toBe(2);
});

test("a file is no control that failed, did not load, had nothing to run, or ran somewhere else", () => {
  ran("failed", ["passed", "failed"]);
  expect(reportedAsPassing(tree, file)).toBeUndefined();
  ran("failed", []);
  expect(reportedAsPassing(tree, file)).toBeUndefined();
  ran("passed", ["skipped"]);
  expect(reportedAsPassing(tree, file)).toBeUndefined();
  ran("passed", ["passed"], join("/elsewhere", file));
  expect(reportedAsPassing(tree, file)).toBeUndefined();
});

test("nor is one of which there is no report, or half of one", () => {
  expect(reportedAsPassing(tree, file)).toBeUndefined();
  report('{"testResults":[');
  expect(reportedAsPassing(tree, file)).toBeUndefined();
});
