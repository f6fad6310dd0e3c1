import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MetricName, metricTable, prometheusName } from "@zero-trust/server";
import { expect, test } from "vitest";
import { parse } from "yaml";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string) => readFileSync(at(path), "utf8");
const observability = at("infra/observability");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}
interface AlertTest {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[];
}

const rules = (parse(read("infra/observability/alerts.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alertTests = (parse(read("infra/observability/alerts.test.yml")) as { tests: AlertTest[] }).tests.flatMap(
  (each) => each.alert_rule_test,
);
const metrics = Object.entries(metricTable).map(([name, row]) => ({ name: name as MetricName, ...row }));

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
if (!hasPromtool) console.warn("NOT TRIED: promtool is missing (bash test/fleet/install-servers.sh brings Debian's).");

const promtool = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: observability, encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
};

test.runIf(hasPromtool).each([
  ["the configuration of Prometheus, with its rules", ["check", "config", "prometheus.yml"]],
  ["the alerts, each with what makes it fire and what does not", ["test", "rules", "alerts.test.yml"]],
])("promtool finds nothing wrong with %s", (_, args) => {
  expect(promtool(...args)).toEqual({ status: 0, said: expect.stringContaining("SUCCESS") as string });
});

test("each alert is tried with what makes it fire, and with a fleet that is well", () => {
  const names = rules.map(({ alert }) => alert).sort();
  const tried = (fires: boolean) =>
    alertTests.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname);
  expect(tried(true).sort()).toEqual(names);
  expect(tried(false).sort()).toEqual(names);
});

test("what alerts ask for is what the services export, by its labels", () => {
  const series = metrics.flatMap(({ name, kind }) => {
    const plain = prometheusName(name);
    return kind === "histogram" ? ["bucket", "count", "sum"].map((part) => `${plain}_${part}`) : [plain];
  });
  const labels = metrics.flatMap((row) => row.labels.map((label) => label.replaceAll(".", "_")));
  // What Prometheus itself knows of a target, and what its configuration adds.
  const ofPrometheus = ["up", "scrape_samples_scraped", "job", "service", "le"];
  const known = new Set([...series, ...labels, ...ofPrometheus]);
  const functions = /\b(?:absent|or|ignoring|sum|max|by|rate|increase|time|histogram_quantile)\b/gu;
  const unknown = rules.flatMap(({ alert, expr }) => {
    const words = expr
      .replaceAll(/"[^"]*"|\[[^\]]*\]/gu, " ")
      .replaceAll(functions, " ")
      .match(/[a-z_][a-z0-9_]*/gu);
    return (words ?? []).filter((word) => !known.has(word)).map((word) => `${alert}: ${word}`);
  });
  expect(unknown).toEqual([]);
});

test("docs/telemetry.md has every metric, as it is in the code", () => {
  const rows = metrics.map(({ name, kind, unit, labels, description }) => {
    const by = labels.map((label) => `\`${label.replaceAll(".", "_")}\``).join(", ");
    return `| \`${prometheusName(name)}\` | ${kind} | ${unit} | ${by} | ${description} |`;
  });
  const written = read("docs/telemetry.md").split("\n").map(squeezed);
  expect(rows.filter((row) => !written.includes(squeezed(row)))).toEqual([]);
});

test("docs/telemetry.md says what to do about every alert", () => {
  const page = squeezed(read("docs/telemetry.md"));
  expect(rules.map(({ alert }) => alert).filter((alert) => !page.includes(`| \`${alert}\` |`))).toEqual([]);
});

/** A row of a table, whatever its columns are padded with. */
function squeezed(line: string): string {
  return line.replaceAll(/ +/gu, " ").trim();
}
