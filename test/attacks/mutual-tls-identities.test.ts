import { spiffeIdOf, trustDomain } from "@zero-trust/infra/names";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { LeafOptions, TestCa } from "@zero-trust/testkit";
import { expect } from "vitest";
import type { Call } from "./call.ts";
import { bearerOf, payingCall } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { seenByHandler } from "./seen-by-handler.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment, listTransactions } = PaymentService.method;
const spiffeId = spiffeIdOf("order-service");

let reading: Call<typeof getPayment>;
let ca: TestCa;
const scenario = scenariosOn(async (stack) => {
  reading = await readingCall(stack);
  ca = await deploymentCa(stack);
});

/** Our own CA was made to sign a certificate: TLS takes it, and it names nobody. */
async function nobody(trial: Trial, what: string, leaf: LeafOptions): Promise<void> {
  const { cert, key } = await ca.issue(leaf);
  await trial.denied({
    what,
    expected: "UNAUTHENTICATED PEER_INVALID",
    by: "payment",
    attack: () => trial.call(getPayment, { ...reading, as: { cert, key } }),
    control: () => trial.call(getPayment, reading),
    record: { credentials: [] },
  });
}

scenario("M7", "a certificate that TLS takes and that is no X509-SVID names nobody", async (trial) => {
  await nobody(trial, "no extended key usage", { spiffeId, eku: null });
  await nobody(trial, "a CA's certificate", { spiffeId, basicConstraintsCa: true });
  await nobody(trial, "a key that may sign certificates", { spiffeId, keyUsage: ["digitalSignature", "keyCertSign"] });
  await nobody(trial, "two URI SANs", { uris: [spiffeId, spiffeIdOf("stranger")] });
  await nobody(trial, "no URI SAN, the SPIFFE ID as common name", { uris: [], commonName: spiffeId });
});

scenario("M8", "a certificate without the grant gets nothing by stolen credentials", async (trial) => {
  const right = await payingCall(trial.stack);
  for (const [what, workload] of [
    ["no grants, another workload's credentials", "stranger"],
    ["grants without the scope, another workload's credentials", "payment-service"],
  ] as const) {
    await trial.denied({
      what,
      expected: "PERMISSION_DENIED PEER_NOT_GRANTED",
      by: "payment",
      attack: () => trial.call(createPayment, { ...right, as: workload }),
      control: () => trial.call(getPayment, reading),
      // None of the credentials was looked at.
      record: { peer: spiffeIdOf(workload), credentials: [] },
    });
  }
  const { status } = await trial.call(createPayment, right);
  trial.observe("the stolen nonce, by its owner: it was not spent", "OK", status);
});

scenario("M9", "the same path of another trust domain is nobody", async (trial) => {
  await nobody(trial, "order-service of other.internal, by our own CA", {
    spiffeId: "spiffe://other.internal/order-service",
  });
});

scenario("M10", "what is almost a SPIFFE ID is none", async (trial) => {
  const padded = `spiffe://${trustDomain}/`.padEnd(2049, "a");
  const uris: Readonly<Record<string, string>> = {
    "a NUL at the end": `${spiffeId}\0`,
    "a NUL and another name": `${spiffeId}\0.other.internal`,
    "a second ID after a comma": `${spiffeIdOf("stranger")}, URI:${spiffeId}`,
    "a letter in percent-encoding": `spiffe://${trustDomain}/%6frder-service`,
    "dot segments": `spiffe://${trustDomain}/stranger/../order-service`,
    "a trust domain in upper case": `spiffe://${trustDomain.toUpperCase()}/order-service`,
    "a scheme in upper case": `SPIFFE://${trustDomain}/order-service`,
    "another scheme": `https://${trustDomain}/order-service`,
    "a port": `spiffe://${trustDomain}:443/order-service`,
    "a slash at the end": `${spiffeId}/`,
    "2049 bytes": padded,
  };
  for (const [what, uri] of Object.entries(uris)) await nobody(trial, what, { uris: [uri] });
  await nobody(trial, "the ID within a DNS SAN, after a comma", { uris: [], dns: [`a, URI:${spiffeId}`] });
});

/** With what proxies vouch for callers, where there are any. */
const claims = (workload: "order-service" | "stranger") => ({
  "x-client-cn": workload,
  "x-client-verify": "SUCCESS",
  "x-forwarded-client-cert": `URI=${spiffeIdOf(workload)};Subject="CN=${workload}"`,
  "x-forwarded-for": "127.0.0.1",
});

scenario("M15", "metadata that claims an identity is not believed, and no handler sees it", async (trial) => {
  await trial.denied({
    what: "another workload that claims to be order-service",
    expected: "UNAUTHENTICATED CREDENTIAL_MISSING",
    by: "payment",
    attack: () => trial.call(getPayment, { ...reading, as: "stranger", metadata: claims("order-service") }),
    control: () => trial.call(getPayment, reading),
    record: { peer: spiffeIdOf("stranger") },
  });
  const records = await trial.recordsSince("payment");
  const { status } = await trial.call(getPayment, { ...reading, metadata: claims("stranger") });
  trial.observe("order-service, claiming to be a workload without grants", "OK", status);
  const peers = async () => (await records()).filter(({ log }) => log === "decision").map(({ peer }) => peer);
  await expect.poll(peers, { timeout: 20_000 }).toEqual([spiffeIdOf("order-service")]);
  const names = await seenByHandler(trial.stack, { ...claims("stranger"), "x-harmless": "1" });
  expect(names).toContain("x-harmless");
  const seen = names.filter((name) => name in claims("stranger"));
  trial.observe("the same claims, at a handler", "ignored", seen.length === 0 ? "ignored" : seen.join(" "));
});

scenario("M18", "who is called by another name answers by its own", async (trial) => {
  const { stack } = trial;
  for (const authority of ["order-service.production.internal", "attacker.example"]) {
    const { status } = await trial.call(getPayment, { ...reading, authority });
    trial.observe(`payment, called ${authority}`, "ignored", status === "OK" ? "ignored" : status);
  }
  const authority = "order-service.production.internal";
  const forOrder = await bearerOf(stack, "storefront", "order", ["read:orders"]);
  const forPayment = await bearerOf(stack, "order-service", "payment", ["read:transactions"]);
  await trial.denied({
    what: "a token for order, shown to payment that is called order",
    expected: "UNAUTHENTICATED CREDENTIAL_INVALID",
    by: "payment",
    attack: () => trial.call(listTransactions, { as: "storefront", authority, metadata: forOrder }),
    control: () => trial.call(listTransactions, { as: "order-service", authority, metadata: forPayment }),
  });
});
