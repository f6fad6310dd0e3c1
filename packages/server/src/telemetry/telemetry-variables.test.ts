import { expect, test } from "vitest";
import { z } from "zod";
import { readConfig } from "../config.ts";
import { telemetryConfig, telemetryVariables } from "./telemetry-variables.ts";

const read = (environment: NodeJS.ProcessEnv) =>
  telemetryConfig(readConfig(z.object({ ...telemetryVariables }), environment));

test("is off unless it is asked for", () => {
  expect(read({})).toEqual({ metrics: undefined, otlpEndpoint: undefined });
  // An address alone asks for nothing.
  expect(read({ ZT_METRICS_HOST: "0.0.0.0" }).metrics).toBeUndefined();
});

test("metrics are for this machine unless another address is given", () => {
  expect(read({ ZT_METRICS_PORT: "9464" }).metrics).toEqual({ host: "127.0.0.1", port: 9464 });
  expect(read({ ZT_METRICS_PORT: "0", ZT_METRICS_HOST: "0.0.0.0" }).metrics).toEqual({ host: "0.0.0.0", port: 0 });
});

test.each(["http://127.0.0.1:4318", "https://collector.production.internal", "http://collector:4318/otlp/"])(
  "takes the collector %s",
  (otlpEndpoint) => {
    expect(read({ ZT_OTLP_ENDPOINT: otlpEndpoint }).otlpEndpoint).toBe(otlpEndpoint);
  },
);

test.each([
  "collector:4318",
  "grpc://collector:4317",
  "file:///tmp/spans",
  "http://user:canary@collector:4318",
  "http://collector:4318?token=canary",
  "http://collector:4318#canary",
])("refuses %s, and does not repeat a password", (ZT_OTLP_ENDPOINT) => {
  const reading = () => read({ ZT_OTLP_ENDPOINT });
  expect(reading).toThrow("ZT_OTLP_ENDPOINT must be the http or https URL of a collector");
  expect(reading).not.toThrow("canary");
});
