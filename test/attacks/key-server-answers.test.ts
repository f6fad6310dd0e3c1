// The key server answers, and what it says is no key set.
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import type { RelayAnswer } from "../stack/relay/protocol.ts";
import { answerKeys, fresh, publishedKeys, untilRead } from "./key-server.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const scenario = scenariosOn();
const MIB = 1024 * 1024;
/** By how much the memory of a service may grow, in bytes: what it was sent is many times that. */
const maxGrowth = 128 * MIB;

/** Gives each answer in turn: it is not taken, and the keys of before are served. */
async function keepsItsKeys(
  trial: Trial,
  answers: readonly (readonly [what: string, answer: RelayAnswer, cause: RegExp])[],
) {
  for (const [what, answer, cause] of answers) {
    await answerKeys(trial, answer);
    await untilRead(trial, cause);
    const status = await fresh(trial);
    trial.observe(what, "served", status === "OK" ? "served" : status);
  }
  await trial.stack.relays.issuer.become({ kind: "pass" });
}

scenario("I3", "a key server that is slow, endless or huge is given up in time, and fills no memory", async (trial) => {
  const { now: before } = await trial.stack.order.memory();
  const bomb = gzipSync(Buffer.alloc(256 * MIB)).toString("base64");
  await keepsItsKeys(trial, [
    ["no answer at all", { hangs: true, body: "" }, /no answer within/],
    ["half an answer, and silence", { body: '{"keys":[', hangs: true }, /no answer within/],
    ["1 GB", { body: " ".repeat(MIB), times: 1024 }, /larger than 65536/],
    [
      "256 MB, compressed",
      { body: bomb, encoding: "base64", headers: { "content-encoding": "gzip" } },
      /cannot be read/,
    ],
  ]);
  const growth = (await trial.stack.order.memory()).peak - before;
  console.log(`I3: memory grew by ${Math.round(growth / MIB)} MB`);
  expect(growth).toBeLessThan(maxGrowth);
  trial.observe("memory, after all of them", "survives", "survives");
});

scenario("I4", "a key server that answers with something else changes nothing", async (trial) => {
  const right = JSON.stringify(publishedKeys(trial));
  await keepsItsKeys(trial, [
    ["status 500", { status: 500, body: right }, /status 500/],
    ["status 429", { status: 429, body: right }, /status 429/],
    ["a redirect", { status: 302, headers: { location: "https://evil.internal/jwks.json" } }, /status 302/],
    ["HTML", { body: "<!doctype html>", headers: { "content-type": "text/html" } }, /without JSON/],
    ["an empty object", { body: "{}" }, /no JWKS/],
    ["no keys", { body: '{"keys":[]}' }, /no signing key/],
  ]);
});
