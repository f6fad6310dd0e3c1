import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect } from "vitest";
import { type Stack, serviceNames } from "../stack/stack.ts";
import { canariesOf } from "./canaries.ts";
import { apiKeyOf, bearerOf, payingCall } from "./credentials.ts";
import { overheardCall, showMisplaced } from "./misplaced-secret.ts";
import { placedOrder } from "./placed-order.ts";
import { scenariosOn } from "./scenario.ts";
import { SecretSearch } from "./secret-search.ts";

const { createPayment, listTransactions } = PaymentService.method;
const { listOrders } = OrderService.method;
const scenario = scenariosOn();

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
