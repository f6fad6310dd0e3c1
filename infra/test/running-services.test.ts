import { createHmac, createPrivateKey, randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Metadata, status } from "@grpc/grpc-js";
import { Credential, policyOf, reasonOf } from "@zero-trust/auth";
import { clientCredentials } from "@zero-trust/auth/client";
import { nameOf } from "@zero-trust/auth/explain";
import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { channelsTo, tokensOf } from "../src/callers.ts";
import { runCommands } from "../src/command-line/run-commands.ts";
import { keysCommands } from "../src/keys/commands.ts";
import { audiences, issuer, spiffeIdOf, type Workload } from "../src/names.ts";
import { deployedState } from "../src/policy/deployed.ts";
import { explainCall } from "../src/policy/explain-call.ts";
import type { Holders } from "../src/policy/holders.ts";
import { services } from "../src/policy/services.ts";
import type { Presented } from "../src/policy/ways-in.ts";
import { rawCall } from "../src/raw-call.ts";
import { newStackFolder, type Stack, startStack } from "../src/stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(newStackFolder("keys"));
});
afterAll(async () => await stack[Symbol.asyncDispose]());

/** Types `pnpm zt keys …`, with paths below the deployment's folder where an argument begins with `./`. */
async function keys(line: string): Promise<string> {
  const printed: string[] = [];
  const argv = line.split(" ").map((each) => (each.startsWith("./") ? join(stack.deployment.folder, each) : each));
  const print = (text: string) => void printed.push(text);
  await runCommands("keys", keysCommands, argv, { print, note: () => undefined, now: Date.now });
  return printed.join("\n");
}

/** A service looks at its files every few seconds. */
const soon = { timeout: 20_000, interval: 250 };
const ofService = { timeout: 60_000 };

describe("a client that is registered at a running issuer", ofService, () => {
  const file = "--file ./issuer/clients.json";

  /** Asks for a token, without keeping it. */
  function token(
    client: Workload,
    proof: Pick<Parameters<typeof clientCredentials>[0], "clientSecret" | "clientAssertion">,
  ) {
    using opened = new DisposableStack();
    const identity = opened.adopt(identityFromDirectory(stack.deployment.tlsFolder(client)), (it) => it.close());
    return clientCredentials({
      tokenEndpoint: new URL(`https://127.0.0.1:${stack.issuer.port}/oauth/token`),
      agent: httpsAgent({ identity, serverId: spiffeIdOf("issuer") }),
      clientId: client,
      audience: audiences.order,
      scopes: ["read:orders"],
      ...proof,
    }).token();
  }
  const register = (client: Workload, authentication: string) =>
    keys(
      `issue client ${client} ${file} --workload ${spiffeIdOf(client)} --authentication ${authentication} --audience ${audiences.order} --scope read:orders`,
    );

  test("gets tokens by its secrets, old and new, until the old one ends and it is revoked", async () => {
    const first = await register("reporting", "client_secret_basic");
    await vi.waitFor(() => token("reporting", { clientSecret: first }), soon);
    const second = await keys(`rotate client reporting ${file} --overlap 5s`);
    await vi.waitFor(() => token("reporting", { clientSecret: second }), soon);
    await vi.waitFor(() => expect(token("reporting", { clientSecret: first })).rejects.toThrow("invalid_client"), soon);
    await token("reporting", { clientSecret: second });
    await keys(`revoke client reporting ${file}`);
    await vi.waitFor(
      () => expect(token("reporting", { clientSecret: second })).rejects.toThrow("invalid_client"),
      soon,
    );
  });

  test("gets tokens by its private keys, old and new", async () => {
    const proof = (text: string) => {
      const jwk = JSON.parse(text) as { kid: string; [member: string]: string };
      const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
      return { clientAssertion: { privateKey, keyId: jwk.kid, algorithm: "ES256" as const, audience: issuer } };
    };
    const first = proof(await register("stranger", "private_key_jwt"));
    await vi.waitFor(() => token("stranger", first), soon);
    const second = proof(await keys(`rotate client stranger ${file}`));
    await vi.waitFor(() => token("stranger", second), soon);
    await token("stranger", first);
    await keys(`revoke client stranger ${file}`);
    await vi.waitFor(() => expect(token("stranger", first)).rejects.toThrow("invalid_client"), soon);
  });
});

test("a key of the issuer that is withdrawn signs no more, and the next one is believed", ofService, async () => {
  const kidNow = async () => {
    const token = await tokensOf(stack, "storefront", "order", ["read:orders"]).token();
    return (JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()) as { kid: string }).kid;
  };
  const old = await kidNow();
  await keys("rotate issuer --file ./issuer/signing-jwks.json");
  await keys(`revoke issuer ${old} --file ./issuer/signing-jwks.json`);
  await vi.waitFor(async () => expect(await kidNow()).not.toBe(old), soon);
  const authorization = async (...of: readonly [Workload, "order" | "payment", readonly string[]]) => ({
    authorization: `Bearer ${await tokensOf(stack, ...of).token()}`,
  });
  // Each service reads the issuer's keys by itself.
  await vi.waitFor(async () => {
    const ofStorefront = await authorization("storefront", "order", ["read:orders"]);
    expect(await outcome("storefront", "order", "ListOrders", ofStorefront)).toBe("OK");
    const ofOrder = await authorization("order-service", "payment", ["write:payments"]);
    expect(await outcome("order-service", "payment", "CreatePayment", ofOrder)).toBe(
      "UNAUTHENTICATED CREDENTIAL_MISSING",
    );
  }, soon);
});

test("explain says what running services answer, for every method, client and set of credentials", {
  timeout: 120_000,
}, async () => {
  // Some that lack a scope, and one that is no good, besides those of the deployment.
  const payment = `--client storefront --audience ${audiences.payment} --scope read:orders`;
  const known: Record<string, string> = {
    "order reporting": await keys(
      `issue api --file ./order/api-keys.json --client reporting --audience ${audiences.order} --scope read:orders`,
    ),
    "payment reporting": stack.deployment.apiKey,
    "payment storefront": await keys(`issue api --file ./payment/api-keys.json ${payment}`),
    "payment partner": await keys(
      `issue api --file ./payment/api-keys.json ${payment.replace("storefront", "partner")}`,
    ),
  };
  await keys(`revoke api ${known["payment partner"]?.split("-")[2]} --file ./payment/api-keys.json`);
  const { id, secret } = stack.deployment.signing["order-service"];
  const signing: Record<string, { readonly id: string; readonly secret: string }> = {
    "payment order-service": { id, secret: secret.expose() },
    "payment storefront": {
      id: stack.deployment.signing.storefront.id,
      secret: stack.deployment.signing.storefront.secret.expose(),
    },
  };
  const holders = await deployedState(stack.deployment.folder, Date.now());
  const shows = async (client: Workload, service: "order" | "payment", kinds: readonly Presented[], path: string) => ({
    ...(kinds.includes(Credential.API_KEY) ? { "x-api-key": known[`${service} ${client}`] ?? "" } : {}),
    ...(kinds.includes(Credential.HMAC) ? signed(path, signing[`${service} ${client}`]) : {}),
    ...(kinds.includes(Credential.BEARER)
      ? {
          authorization: `Bearer ${await tokensOf(stack, client, service, scopesOf(holders, client, service)).token()}`,
        }
      : {}),
  });
  // The services have seen the keys that are new.
  await vi.waitFor(async () => {
    for (const [at, code] of [
      ["order reporting", "OK"],
      ["payment storefront", "PERMISSION_DENIED SCOPE_MISSING"],
    ] as const) {
      const [service, client] = at.split(" ") as ["order" | "payment", Workload];
      const method = service === "order" ? "ListOrders" : "ListTransactions";
      expect(await outcome(client, service, method, { "x-api-key": known[at] ?? "" })).toBe(code);
    }
  }, soon);

  const seen = new Set<string>();
  for (const service of services) {
    for (const method of policyOf(service.descriptor)) {
      for (const client of ["storefront", "order-service", "payment-service", "partner", "reporting"] as const) {
        for (const kinds of subsets(heldBy(client, service.audience, holders))) {
          const { explanation } = explainCall({ service, method }, { client, presented: kinds, holders });
          const name = method.path.split("/")[2] ?? "";
          const call = `${client}, presenting ${kinds.map(nameOf).join(" ")}, calls ${method.path}:`;
          const got = await outcome(client, service.name, name, await shows(client, service.name, kinds, method.path));
          expect(`${call} ${got}`).toBe(`${call} ${explanation.answer}`);
          seen.add(got);
        }
      }
    }
  }
  expect([...seen].sort()).toEqual([
    "OK",
    "PERMISSION_DENIED PEER_NOT_GRANTED",
    "PERMISSION_DENIED SCOPE_MISSING",
    "UNAUTHENTICATED CREDENTIAL_INVALID",
    "UNAUTHENTICATED CREDENTIAL_MISSING",
  ]);
});

/** The kinds of credentials that a client has for a service, revoked keys too; a revoked client has no token to show. */
function heldBy(client: string, audience: string, { holdings }: Holders): readonly Presented[] {
  const own = holdings.filter(
    ({ ended, credential, ...each }) =>
      each.client === client &&
      each.audience === audience &&
      !(credential === Credential.BEARER && ended !== undefined),
  );
  return [...new Set(own.map(({ credential }) => credential))];
}

function scopesOf({ holdings }: Holders, client: string, service: "order" | "payment"): readonly string[] {
  const own = holdings.find(
    (each) => each.client === client && each.audience === audiences[service] && each.credential === Credential.BEARER,
  );
  return [...(own?.scopes ?? [])];
}

/** All subsets but those with an API key and a signature, which stand in one metadata key. */
function subsets<T extends Presented>(kinds: readonly T[]): readonly (readonly T[])[] {
  const all = Array.from({ length: 2 ** kinds.length }, (_, bits) =>
    kinds.filter((_kind, at) => (bits >> at) % 2 === 1),
  );
  const has = (set: readonly Presented[], kind: Presented) => set.includes(kind);
  return all.filter((set) => !(has(set, Credential.API_KEY) && has(set, Credential.HMAC)));
}

function signed(path: string, key: { readonly id: string; readonly secret: string } | undefined) {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = randomBytes(16).toString("hex");
  const head = `POST\n${path}\n${timestamp}\n${nonce}\n`;
  return {
    "x-api-key": key?.id ?? "",
    "x-timestamp": timestamp,
    "x-nonce": nonce,
    "x-signature": createHmac("sha256", key?.secret ?? "")
      .update(head)
      .digest("hex"),
  };
}

/** What came of a call with an empty message: `OK` where the services of auth let it in, whatever the handler said then. */
async function outcome(
  client: Workload,
  service: "order" | "payment",
  method: string,
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  using opened = new DisposableStack();
  const channels = opened.adopt(channelsTo(stack, client, service), (them) => them.close());
  const path = `/${service}.v1.${service === "order" ? "Order" : "Payment"}Service/${method}`;
  try {
    await rawCall({ channels, path, message: new Uint8Array(), metadata });
    return "OK";
  } catch (error) {
    const { code, metadata: trailers } = error as { readonly code: number; readonly metadata?: Metadata };
    const reason = reasonOf({ metadata: trailers });
    if (reason !== undefined) return `${status[code]} ${reason}`;
    // The handler's own: the empty message is not a valid one, and a stream is not one answer.
    const isOfHandler = [status.INVALID_ARGUMENT, status.UNIMPLEMENTED, status.NOT_FOUND].includes(code);
    return isOfHandler ? "OK" : `${status[code]} ${(error as Error).message}`;
  }
}
