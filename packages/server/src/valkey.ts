import { readFile } from "node:fs/promises";
import type { ValkeyClient, ValkeyLimits, ValkeyNonceStore, ValkeyRevocations } from "@zero-trust/auth/stores/valkey";
import type { TlsIdentity } from "@zero-trust/mtls";
import { z } from "zod";
import { text } from "./config.ts";
import { type Log, recordLog } from "./log.ts";

/** The Valkey that the processes of a fleet share. */
export interface ValkeyPlace {
  /** `rediss://user@host:port` */
  readonly url: string;
  /** Read for each connection, so that the password can be changed. */
  readonly passwordFile: string;
}

/** What a service's stores in Valkey are made with, and closed with it. */
export interface OpenValkey {
  readonly client: ValkeyClient;
  /** The nonces of all processes that verify with the same keys. */
  nonces(): ValkeyNonceStore;
  /** The calls that all processes of the service let in. */
  limits(): ValkeyLimits;
  /** The tokens that the issuer has taken back, known at once. */
  revocations(): ValkeyRevocations;
  /** Tells Valkey all of them, as the issuer does, in the form of the list that is polled. */
  readonly publishRevocations: (list: unknown) => Promise<void>;
  close(): void;
}

const urlMessage = "must be like rediss://payment@valkey.production.internal:6379, without a password";

const valkeyUrl = z.string(urlMessage).refine((value) => {
  const url = URL.parse(value);
  if (url === null || url.protocol !== "rediss:" || url.username === "" || url.hostname === "") return false;
  return url.password === "" && url.search === "" && url.hash === "" && ["", "/"].includes(url.pathname);
}, urlMessage);

/** The variables of a service that can keep its state in Valkey, for its schema. */
export const valkeyVariables: {
  readonly ZT_VALKEY_URL: z.ZodOptional<z.ZodType<string>>;
  readonly ZT_VALKEY_PASSWORD_FILE: z.ZodOptional<z.ZodType<string>>;
} = { ZT_VALKEY_URL: valkeyUrl.optional(), ZT_VALKEY_PASSWORD_FILE: text.optional() };

/** What they say, for the schema's transform; undefined where there is no Valkey. */
export function valkeyPlace(
  variables: { readonly ZT_VALKEY_URL?: string | undefined; readonly ZT_VALKEY_PASSWORD_FILE?: string | undefined },
  context: z.RefinementCtx,
): ValkeyPlace | undefined {
  const { ZT_VALKEY_URL: url, ZT_VALKEY_PASSWORD_FILE: passwordFile } = variables;
  if (url !== undefined && passwordFile !== undefined) return { url, passwordFile };
  if (url === undefined && passwordFile === undefined) return undefined;
  const names = ["ZT_VALKEY_URL", "ZT_VALKEY_PASSWORD_FILE"];
  const [missing = "", given] = url === undefined ? names : names.toReversed();
  context.addIssue({ code: "custom", path: [missing], message: `must have a value, since ${given} has one` });
  return undefined;
}

/**
 * Connects to the Valkey of the trust domain in the background: a service starts without it, and refuses what it cannot check
 * until it is there. Valkey's client is loaded only by those who have one.
 */
export async function openValkey(
  place: ValkeyPlace,
  { identity, trustDomain, log }: { readonly identity: TlsIdentity; readonly trustDomain: string; readonly log: Log },
): Promise<OpenValkey> {
  const stores = await import("@zero-trust/auth/stores/valkey");
  const records = recordLog(log, "connection");
  using opening = new DisposableStack();
  const client = opening.adopt(
    stores.valkeyClient({
      url: place.url,
      password: async () => (await readFile(place.passwordFile, "utf8")).replace(/\r?\n$/u, ""),
      identity,
      serverId: `spiffe://${trustDomain}/valkey`,
      onError: ({ message }) => records.error({ reason: message }, "Valkey cannot be used"),
      onConnected: () => records.info("Valkey is used"),
    }),
    (it) => it.close(),
  );
  const opened = opening.move();
  return {
    client,
    nonces: () => opened.adopt(stores.valkeyNonceStore({ client }), (store) => store.close()),
    limits: () => stores.valkeyLimits({ client, service: identity.spiffeId }),
    revocations: () => opened.adopt(stores.valkeyRevocations({ client }), (them) => them.close()),
    publishRevocations: (list) => stores.publishRevocations(client, list),
    close: () => opened.dispose(),
  };
}
