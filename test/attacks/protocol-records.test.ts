import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { callFields, dataFrame, grpcMessage, type HeaderFields, headerBlock, headersFrame } from "@zero-trust/testkit";
import { expect } from "vitest";
import { type ServiceName, type Stack, serviceNames } from "../stack/stack.ts";
import { attackerOf } from "./attackers.ts";
import { onTheWire } from "./call.ts";
import { canariesOf } from "./canaries.ts";
import { apiKeyOf, bearerOf, claimsOf, forgerOf, payingCall } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { askIssuer } from "./issuer-request.ts";
import { overheardCall, showMisplaced } from "./misplaced-secret.ts";
import { placedOrder } from "./placed-order.ts";
import { scenariosOn } from "./scenario.ts";
import { SecretSearch } from "./secret-search.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment, listTransactions } = PaymentService.method;
const { listOrders } = OrderService.method;
const scenario = scenariosOn();

/** What is to become a record of its own, a member of a record, or something that a terminal obeys. */
const texts = {
  "a line feed": '\n{"level":"info","log":"decision","outcome":"allowed","forged":true}',
  JSON: '","outcome":"allowed","forged":true,"x":"',
  "a terminal escape": "\u001b]0;forged\u0007\u001b[2J\u009b31m",
  "an escape of eight bits": "\u009b31m\u0085\u00a0forged\u00ff",
} as const;

/** Makes an attack, and sees that all that the service writes of it is one well-formed record, in its log and in its file. */
async function oneRecord(
  trial: Trial,
  service: ServiceName,
  kind: string,
  attack: () => Promise<unknown>,
): Promise<string> {
  const attacked = trial.stack[service];
  const linesBefore = (await attacked.said()).length;
  const decisionsBefore = (await decisionsOf(trial, service)).length;
  await attack();
  const news = async () => (await attacked.said()).slice(linesBefore).filter(isOfCaller);
  await expect.poll(news, { timeout: 20_000, interval: 20 }).not.toEqual([]);
  const decisions = (await decisionsOf(trial, service)).slice(decisionsBefore).filter(isOfCaller);
  const lines = [...(await news()), ...decisions];
  const odd = lines.find((line) => !/^\{[\x20-\x7e]*\}$/.test(line));
  if (odd !== undefined) return `wrote ${JSON.stringify(odd)}`;
  const records = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const forged = records.find((record) => "forged" in record);
  if (forged !== undefined) return `was forged: ${JSON.stringify(forged)}`;
  const written = records.filter((record) => record["log"] === kind).length;
  return written === 1 ? "ignored" : `wrote ${written} records`;
}

/** A container asks for its health, whatever else goes on. */
const isOfCaller = (line: string): boolean => !line.includes('"method":"/grpc.health.v1.Health/Check"');

/** The lines of the file in which a service keeps its decisions; the issuer has none. */
async function decisionsOf(trial: Trial, service: ServiceName): Promise<readonly string[]> {
  const file = (await trial.stack[service].data()).get("decisions.jsonl") ?? Buffer.of();
  return file
    .toString("latin1")
    .split("\n")
    .filter((line) => line !== "");
}

const isControl = (text: string) => Array.from(text).some((character) => character < " ");

scenario("P11", "whatever a caller sends is at most one well-formed record", async (trial) => {
  const { stack } = trial;
  const { path, bytes } = onTheWire(getPayment);
  const right = { path, body: [grpcMessage(bytes)] };
  await using insider = attackerOf(stack, "payment", "order-service");
  const ca = await deploymentCa(stack);
  const forger = await forgerOf(stack);
  const claims = claimsOf(stack, "storefront", "order", ["read:orders"]);

  for (const [name, text] of Object.entries(texts)) {
    /** Sends headers as they are; says how the call ended. */
    const send = async (called: string, headers: HeaderFields = []) => {
      const wire = await insider.wire();
      await wire.send(headersFrame(1, headerBlock(callFields(called, headers))));
      await wire.send(dataFrame(1, right.body[0] ?? Buffer.of(), { endStream: true }));
      await wire.until(() => wire.endOf(1) !== undefined);
      wire.destroy();
      return wire.endOf(1) === "ended" ? "answered" : "closed";
    };
    const inPath = () => send(`/payment.v1.PaymentService/${text}`);
    // HTTP/2 itself takes no control character in a path, and drops a header that has one.
    if (isControl(text)) trial.observe(`${name} in a path`, "closed", await inPath());
    else trial.observe(`${name} in a path`, "ignored", await oneRecord(trial, "payment", "decision", inPath));
    for (const key of ["x-api-key", "x-nonce", "user-agent"]) {
      const observed = await oneRecord(trial, "payment", "decision", () => send(path, [[key, text]]));
      trial.observe(`${name} in ${key}`, "ignored", observed);
    }

    const workload = "spiffe://production.internal/nobody";
    const certificates = {
      "the SAN": await ca.issue({ uris: [`${workload}${text}`] }),
      "the subject": await ca.issue({ spiffeId: workload, commonName: text }),
    };
    for (const [where, certificate] of Object.entries(certificates)) {
      await using nobody = attackerOf(stack, "payment", certificate);
      const observed = await oneRecord(trial, "payment", "decision", () => nobody.call(right));
      trial.observe(`${name} in ${where} of a certificate`, "ignored", observed);
    }

    const tokens = {
      "a token's id": await forger.sign({ ...claims, jti: text }),
      "a token's client": await forger.sign({ ...claims, client_id: text }),
      "a token's key id": await forger.sign(claims, { kid: text }),
    };
    for (const [where, token] of Object.entries(tokens)) {
      const call = { as: "storefront", metadata: { authorization: `Bearer ${token}` } } as const;
      const observed = await oneRecord(trial, "order", "decision", () => trial.call(listOrders, call));
      trial.observe(`${name} in ${where}`, "ignored", observed);
    }

    for (const where of ["scope", "resource", "client_id"]) {
      const form = { grant_type: "client_credentials", client_id: "storefront", [where]: text };
      const ask = () => askIssuer(stack, { path: "/oauth/token", as: "storefront", form });
      trial.observe(
        `${name} in the ${where} of a token request`,
        "ignored",
        await oneRecord(trial, "issuer", "token", ask),
      );
    }
  }
});

/** Wherever the services write: logs, databases, files; as text, a character a byte. */
async function writtenBy(stack: Stack): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>();
  for (const service of serviceNames) {
    places.set(`the log of ${service}`, (await stack[service].said()).join("\n"));
    const files = await stack[service].data();
    for (const [file, bytes] of files) places.set(`${file} of ${service}`, bytes.toString("latin1"));
  }
  return places;
}

scenario("P14", "no secret is in what is written or answered, whatever field it was shown in", async (trial) => {
  const { stack } = trial;
  const { apiKey, partnerSecret, signing } = stack.deployment;
  const answers: string[] = [];
  const storefront = await bearerOf(stack, "storefront", "order", ["read:orders"]);
  const partner = await bearerOf(stack, "partner", "order", ["read:orders"]);
  const tokens = [storefront, partner].map(({ authorization = "" }) => authorization.slice("Bearer ".length));
  const pem = readFileSync(join(stack.deployment.tlsFolder("storefront"), "tls.key"), "utf8");
  const search = new SecretSearch(
    new Map([
      ...canariesOf(stack),
      // All tokens have the same header.
      ...tokens.map((token) => [`the token ${token.slice(-4)}`, Buffer.from(token.replace(/^[^.]*\./, ""))] as const),
    ]),
  );

  const { orderId } = await placedOrder(stack);
  const good = [
    await overheardCall(stack, answers, createPayment, await payingCall(stack)),
    await overheardCall(stack, answers, listTransactions, { as: "reporting", metadata: apiKeyOf(stack) }),
    await overheardCall(stack, answers, listOrders, { as: "storefront", metadata: storefront }),
    await overheardCall(stack, answers, listOrders, { as: "partner", metadata: partner }),
  ];
  for (const { status } of good) trial.observe("a secret where it belongs", "OK", status);
  const signingSecret = signing["order-service"].secret.expose();
  const privateKey = pem.replaceAll(/-----.*-----|\s/g, "");
  for (const secret of [apiKey, signingSecret, partnerSecret, privateKey, ...tokens])
    await showMisplaced(stack, secret, answers);

  const places = new Map([["what callers are told", answers.join("\n")], ...(await writtenBy(stack))]);
  const sizes = [...places].map(([place, { length }]) => `${place} (${length})`);
  console.log(`P14: pieces of ${search.count} secrets, looked for in ${sizes.join(", ")}`);
  // It is the right places: what is no secret of these calls is there.
  for (const place of ["the log of payment", "decisions.jsonl of payment"])
    expect(places.get(place)).toContain(signing["order-service"].id);
  expect([...places].filter(([place, text]) => place.startsWith("order.sqlite") && text.includes(orderId))).not.toEqual(
    [],
  );
  trial.observe("a piece of each secret in each form, planted", "OK", search.overlooks() ? "overlooked" : "OK");

  for (const [place, text] of places) {
    const found = search.namesIn(text);
    trial.observe(place, "none found", found.length === 0 ? "none found" : found.join(", "));
  }
  const report = new URL("../report/report.json", import.meta.url);
  const lastReport = existsSync(report) ? readFileSync(report, "utf8") : "";
  // It is of another deployment, whose secrets look alike.
  expect(lastReport).not.toMatch(/sk-(?:live|test)-\w{12}-[\w-]{51}|hs-[\w-]{43}|eyJ[\w-]+\.eyJ|PRIVATE KEY-----/);
});
