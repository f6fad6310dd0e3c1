import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tokensOf } from "@zero-trust/infra/callers";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { decodeProtectedHeader } from "jose";
import { vi } from "vitest";
import { becomes } from "../attacks/becomes.ts";
import { callOn, type Outcome, onTheWire } from "../attacks/call.ts";
import { idOf, ztKeys } from "../attacks/keys-command.ts";
import { certificateOf } from "../attacks/showing.ts";
import { signatureOf } from "../attacks/signature.ts";
import { loaded, rollLeaves } from "./roll-certificates.ts";
import type { Rolled } from "./rolled.ts";

/** Who looks whether a key is good: keys are good from any workload, and the refusals that it gets are nobody else's. */
export const prober = "stranger";

const { getPayment, listTransactions } = PaymentService.method;
const { listOrders } = OrderService.method;
const refused = "UNAUTHENTICATED CREDENTIAL_INVALID";
const sealed = "--file payment/signing-keys.json --key-encryption-key payment/key-encryption-key";
/** Both secrets are good for so long: some looks of the services at their files. */
const OVERLAP = "20s";
/** Longer than a process takes to look at its files: after that nobody signs with a key any more that nobody has signed with. */
const UNUSED_MS = 8_000;
/** The lead of an issuer's key, and then some. */
const leading = { timeout: 180_000, interval: 500 };
const using = { timeout: 60_000, interval: 100 };

/** Sees, when nobody calls any more, that what was replaced is worth nothing. */
type Retired = () => Promise<void>;

/** reporting's API key gets a second secret, reporting shows it, and the first one ends by itself. */
export async function rollApiKey(rolled: Rolled): Promise<Retired> {
  const { keys } = rolled;
  const old = keys.apiKey;
  const fresh = await ztKeys(rolled, `rotate api ${idOf(old)} --file payment/api-keys.json --overlap ${OVERLAP}`);
  await atEachPayment(rolled, "OK", (port) => showing(rolled, port, fresh));
  keys.apiKey = fresh;
  await atEachPayment(rolled, refused, (port) => showing(rolled, port, old));
  return () => atEachPayment(rolled, "OK", (port) => showing(rolled, port, fresh));
}

/** storefront and order-service get a second signing key each and sign with it, and the first one is revoked. */
export async function rollSigningKeys(rolled: Rolled): Promise<Retired> {
  const { keys, deployment } = rolled;
  const { keyId: id, secret } = keys.signing;
  const old = { id, secret: typeof secret === "string" ? secret : secret.expose() };
  await rollSigningKey(rolled, old.id, async (fresh) => {
    keys.signing = { keyId: fresh.id, secret: fresh.secret };
  });
  await rollSigningKey(rolled, keys.orderSigningId, async (fresh) => {
    const file = join(deployment.folder, "order/signing-key.json");
    writeFileSync(`${file}.next`, JSON.stringify(fresh), { mode: 0o600 });
    renameSync(`${file}.next`, file);
    await vi.waitUntil(async () => await isUnused(rolled, keys.orderSigningId, fresh.id), using);
    keys.orderSigningId = fresh.id;
  });
  return () => atEachPayment(rolled, refused, (port) => signedWith(rolled, port, old));
}

/** The issuer publishes a second key, signs with it, everybody gets tokens of it, and the first one is withdrawn. */
export async function rollIssuerKey(rolled: Rolled): Promise<Retired> {
  const newToken = () => tokensOf(rolled, "partner", "order", ["read:orders"]).token();
  const kidOf = (token: string) => String(decodeProtectedHeader(token).kid);
  const as = certificateOf(rolled, "partner");
  const token = await newToken();
  await ztKeys(rolled, "rotate issuer --file issuer/signing-jwks.json");
  await vi.waitUntil(async () => kidOf(await newToken()) !== kidOf(token), leading);
  // A token of the one before would be good for minutes; with a new certificate comes a new token.
  await loaded(rolled, () => rollLeaves(rolled, 1, 0));
  await ztKeys(rolled, `revoke issuer ${kidOf(token)} --file issuer/signing-jwks.json`);
  const shown = { as, metadata: { authorization: `Bearer ${token}` } };
  const reading = ({ port }: { readonly port: number }) => callOn(rolled, listOrders, { ...shown, port });
  return async () => void (await Promise.all(rolled.orders.map((order) => becomes(refused, () => reading(order)))));
}

interface Fresh {
  readonly id: string;
  readonly secret: string;
}

async function rollSigningKey(rolled: Rolled, old: string, change: (fresh: Fresh) => Promise<void>): Promise<void> {
  const { id, secret } = JSON.parse(await ztKeys(rolled, `rotate signing ${old} ${sealed} --json`)) as Fresh;
  await atEachPayment(rolled, "NOT_FOUND", (port) => signedWith(rolled, port, { id, secret }));
  await change({ id, secret });
  await ztKeys(rolled, `revoke signing ${old} ${sealed}`);
}

async function atEachPayment(
  { payments }: Rolled,
  wanted: string,
  call: (port: number) => Promise<Outcome>,
): Promise<void> {
  await Promise.all(payments.map(({ port }) => becomes(wanted, () => call(port))));
}

function showing(rolled: Rolled, port: number, key: string): Promise<Outcome> {
  return callOn(rolled, listTransactions, { as: prober, port, metadata: { "x-api-key": key } });
}

function signedWith(rolled: Rolled, port: number, { id: keyId, secret }: Fresh): Promise<Outcome> {
  const message = { paymentId: "pay_00000000000000000000000000000000" };
  const { path, bytes } = onTheWire(getPayment, message);
  const metadata = signatureOf({ keyId, secret, path, message: bytes });
  return callOn(rolled, getPayment, { as: prober, port, message, metadata });
}

/** Whether nobody has signed with a key for some time, and somebody with the one that takes its place. */
async function isUnused(rolled: Rolled, old: string, fresh: string): Promise<boolean> {
  const lastMs = async (id: string) => Math.max(...(await usesOf(rolled, id)));
  const oldMs = await lastMs(old);
  return (await lastMs(fresh)) > oldMs && Date.now() - oldMs > UNUSED_MS;
}

/** When a key was shown to payment, in milliseconds since 1970. */
async function usesOf({ payments }: Rolled, id: string): Promise<readonly number[]> {
  const logs = await Promise.all(payments.map((process) => process.log()));
  const uses = logs.flat().filter(({ credentialIds: ids }) => Array.isArray(ids) && ids.includes(id));
  return uses.map(({ time }) => Date.parse(String(time)));
}
