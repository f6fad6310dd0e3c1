import { spiffeIdOf, trustDomain } from "@zero-trust/infra/names";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { LeafOptions, TestCa } from "@zero-trust/testkit";
import type { Call } from "./call.ts";
import { payingCall } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment } = PaymentService.method;
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
