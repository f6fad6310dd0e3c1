// A Valkey server over mutual TLS, whose user may do what the documentation says that ours needs, and nothing else.
import { createClient } from "@redis/client";
import { clientTlsOptions, identityFromMemory } from "@zero-trust/mtls";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { findValkey, startValkey, type ValkeyServer, type ValkeyServerOptions } from "@zero-trust/testkit/servers";
import { vi } from "vitest";
import { type ValkeyClient, type ValkeyClientOptions, valkeyClient } from "../src/stores/valkey.ts";

/** Whether there is one on this machine. */
export const hasValkey: boolean = findValkey() !== undefined;
if (!hasValkey)
  console.warn("NOT TESTED: the stores in Valkey, since neither valkey-server nor redis-server is installed.");

/** As `packages/auth/README.md` has them: of what verifies, and of what revokes. */
export const documentedAcl =
  "resetkeys ~zt:nonce:* ~zt:limit:* %R~zt:revoked:* resetchannels -@all +info +time +eval +evalsha +eval_ro +evalsha_ro +get +set +exists +hgetall +hdel +hincrby +expire";
export const publisherAcl = "resetkeys ~zt:revoked:* resetchannels -@all +info +eval +evalsha +set";

export const valkeyId = "spiffe://production.internal/valkey";

/** A server, and who talks to it. */
export interface TestValkey extends AsyncDisposable {
  readonly server: ValkeyServer;
  /** Does what an operator might: the answer is the server's. */
  operate(...command: readonly string[]): Promise<unknown>;
  options(changes?: Partial<ValkeyClientOptions>): ValkeyClientOptions;
  /** As the user that publishes revocations. */
  publisherOptions(): ValkeyClientOptions;
  /** One that is connected, and closed with the server. */
  connected(changes?: Partial<ValkeyClientOptions>): Promise<ValkeyClient>;
}

export const valkeyCa: TestCa = await createCa();
const [operator, operatorPassword] = ["operator", "throwaway"];
const publisher = "issuer";

/** Starts one. Its clients have patience, so that no machine is too slow for what is not about time. */
export async function startTestValkey(
  options: Pick<ValkeyServerOptions, "acl" | "settings"> = {},
): Promise<TestValkey> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(
    await startValkey({
      acl: documentedAcl,
      ...options,
      tls: await valkeyCa.issue({ spiffeId: valkeyId }),
      settings: {
        [`user ${publisher}`]: `on >${publisher} ${publisherAcl}`,
        ...options.settings,
      },
    }),
  );
  const identity = identityFromMemory(
    await valkeyCa.issue({ spiffeId: "spiffe://production.internal/payment-service" }),
  );
  const clientOptions = (changes: Partial<ValkeyClientOptions> = {}): ValkeyClientOptions => ({
    url: `rediss://${server.user}@${server.host}:${server.port}`,
    password: () => server.password,
    identity,
    serverId: valkeyId,
    commandTimeoutMs: 10_000,
    ...changes,
  });
  const all = opened.move();
  return {
    server,
    options: clientOptions,
    publisherOptions: () =>
      clientOptions({ url: `rediss://${publisher}@${server.host}:${server.port}`, password: () => publisher }),
    async operate(...command) {
      const socket = { ...clientTlsOptions({ identity, serverId: valkeyId }), tls: true as const };
      const { host, port } = server;
      const admin = createClient({
        username: operator,
        password: operatorPassword,
        RESP: 2,
        maintNotifications: "disabled",
        socket: { ...socket, host, port, reconnectStrategy: false },
      });
      admin.on("error", () => undefined);
      await admin.connect();
      try {
        return await admin.sendCommand([...command]);
      } finally {
        admin.destroy();
      }
    },
    async connected(changes = {}) {
      const client = all.adopt(valkeyClient(clientOptions(changes)), (it) => it.close());
      await vi.waitUntil(() => client.isReady(), { timeout: 20_000, interval: 5 });
      return client;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
