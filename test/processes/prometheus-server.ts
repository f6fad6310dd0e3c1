import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { type PrometheusApi, prometheusAt } from "./prometheus-api.ts";

/** A Prometheus of this machine that scrapes processes on loopback, by the fleet's own configuration and alerts. */
export interface PrometheusServer extends PrometheusApi, AsyncDisposable {}

/** Whether there is one. */
export function findPrometheus(): boolean {
  return spawnSync("prometheus", ["--version"]).status === 0;
}

interface Configuration {
  global: Record<string, string>;
  rule_files: string[];
  scrape_configs: Record<string, unknown>[];
}

/**
 * Starts it with `infra/observability/prometheus.yml`; what differs is where the targets are, and that it looks every second.
 *
 * @param ports - where each service serves its metrics
 */
export async function startPrometheus(ports: Readonly<Record<string, number>>): Promise<PrometheusServer> {
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "prometheus-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, maxRetries: 5, retryDelay: 100 }));
  const observability = fileURLToPath(new URL("../../infra/observability/", import.meta.url));
  const configuration = parse(readFileSync(join(observability, "prometheus.yml"), "utf8")) as Configuration;
  configuration.global = { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" };
  configuration.rule_files = configuration.rule_files.map((file) => join(observability, file));
  configuration.scrape_configs = configuration.scrape_configs.map(
    ({ dns_sd_configs: _, relabel_configs: __, ...rest }) => ({
      ...rest,
      static_configs: Object.entries(ports).map(([service, port]) => ({
        targets: [`127.0.0.1:${port}`],
        labels: { service },
      })),
    }),
  );
  writeFileSync(join(folder, "prometheus.yml"), stringify(configuration));

  const port = await freePort();
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  const gone = once(child, "exit");
  cleanup.defer(async () => {
    child.kill("SIGKILL");
    await gone;
  });

  const running = cleanup.move();
  void gone.then(() => {
    if (child.exitCode !== null && child.exitCode !== 0) console.error(said);
  });
  return {
    ...prometheusAt(port),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
