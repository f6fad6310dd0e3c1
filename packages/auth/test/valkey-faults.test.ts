import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { identityFromMemory } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { NonceVerdict } from "../src/hmac/nonces.ts";
import {
  type ValkeyClient,
  type ValkeyClientOptions,
  type ValkeyNonceStore,
  valkeyClient,
  valkeyNonceStore,
} from "../src/stores/valkey.ts";
import { documentedAcl, hasValkey, startTestValkey, type TestValkey, valkeyCa, valkeyId } from "./valkey.ts";

/** However busy the machine is. */
const inTime = { timeout: 20_000, interval: 10 };
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);
beforeAll(() => {
  process.on("unhandledRejection", onUnhandled);
  process.on("uncaughtExceptionMonitor", onUnhandled);
});
afterAll(() => {
  process.off("unhandledRejection", onUnhandled);
  process.off("uncaughtExceptionMonitor", onUnhandled);
});
afterEach(() => {
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.splice(0).map(String).join()}`);
});

/** A minute ahead, so that no store is too young for it. */
const shown = () => Math.floor(Date.now() / 1000) + 60;

/** What becomes of a nonce: a verdict, or "rejected" with the reason. */
async function claimed(store: ValkeyNonceStore, hash: string, timestampSeconds: number): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  try {
    return await store.claim({ keyId: "hk-aaaaaaaa", hash, timestampSeconds, nowSeconds });
  } catch (error) {
    return `rejected: ${(error as Error).message}`;
  }
}

interface Opened {
  readonly client: ValkeyClient;
  readonly store: ValkeyNonceStore;
  readonly errors: string[];
  /** Claims one nonce after the other until the store answers as it should; gives the last. */
  readonly becomes: (verdict: NonceVerdict | RegExp) => Promise<string>;
}

async function open(valkey: TestValkey, changes: Partial<ValkeyClientOptions> = {}): Promise<Opened> {
  const errors: string[] = [];
  const client = await valkey.connected({ onError: (error) => errors.push(error.message), ...changes });
  const store = valkeyNonceStore({ client });
  onTestFinished(() => store.close());
  return {
    client,
    store,
    errors,
    becomes: (verdict) =>
      vi.waitFor(async () => {
        const hash = randomUUID();
        expect(await claimed(store, hash, shown())).toMatch(verdict);
        return hash;
      }, inTime),
  };
}

/** Serves a request, does something to the server, and shows it again as long as anybody might take it. */
async function replayedAfter(valkey: TestValkey, change: () => Promise<unknown>): Promise<ReadonlySet<string>> {
  const { store, becomes } = await open(valkey);
  // Known from a moment ago on, as if the server had been there for long.
  await becomes("new");
  await valkey.operate(
    "SET",
    "zt:nonce:since",
    String(await valkey.operate("GET", "zt:nonce:since")).replace(/\d+$/u, "1"),
  );
  const timestampSeconds = Math.floor(Date.now() / 1000);
  expect(await claimed(store, "served", timestampSeconds)).toBe("new");
  expect(await claimed(store, "served", timestampSeconds)).toBe("replayed");
  await change();
  const seen = new Set<string>();
  await vi.waitFor(async () => {
    const verdict = await claimed(store, "served", timestampSeconds);
    seen.add(verdict.replace(/:.*/u, ""));
    expect(verdict).toBe("early");
  }, inTime);
  // Renewed by now, and others are served again.
  await becomes("new");
  for (let times = 0; times < 20; times += 1) seen.add(await claimed(store, "served", timestampSeconds));
  seen.delete("rejected");
  return seen;
}

describe.runIf(hasValkey)("a request that was served is not served again by a Valkey that", () => {
  test("was restarted, and is empty", async () => {
    await using valkey = await startTestValkey();
    const verdicts = await replayedAfter(valkey, async () => {
      await valkey.server.stop("SIGKILL");
      await valkey.server.start();
    });
    expect(verdicts).toEqual(new Set(["early"]));
  });
  test("was restarted with a dump of a moment before", async () => {
    await using valkey = await startTestValkey({ settings: { save: "3600 1" } });
    const verdicts = await replayedAfter(valkey, async () => {
      await valkey.operate("DEL", "zt:nonce:served");
      await valkey.operate("SAVE");
      await valkey.server.stop("SIGKILL");
      await valkey.server.start();
      expect(await valkey.operate("EXISTS", "zt:nonce:since")).toBe(1);
    });
    expect(verdicts).toEqual(new Set(["early"]));
  });
  test("was flushed", async () => {
    await using valkey = await startTestValkey();
    expect(await replayedAfter(valkey, () => valkey.operate("FLUSHALL"))).toEqual(new Set(["early"]));
  });
  test("was a replica of another for a while", async () => {
    await using other = await startTestValkey({ settings: { "repl-diskless-sync-delay": "0" } });
    await using valkey = await startTestValkey({
      settings: { "tls-replication": "yes", masteruser: "operator", masterauth: "throwaway" },
    });
    const verdicts = await replayedAfter(valkey, async () => {
      // The other has all that this one had but the last, and the mark too.
      const mark = String(await valkey.operate("GET", "zt:nonce:since"));
      await other.operate("SET", "zt:nonce:since", mark);
      await valkey.operate("REPLICAOF", other.server.peerAddress(), String(other.server.port));
      await vi.waitUntil(
        async () => String(await valkey.operate("INFO", "replication")).includes("master_link_status:up"),
        inTime,
      );
      expect(await valkey.operate("GET", "zt:nonce:since")).toBe(mark);
      await valkey.operate("REPLICAOF", "NO", "ONE");
    });
    expect(verdicts).toEqual(new Set(["early"]));
  });
});

describe.runIf(hasValkey)("without an answer, nobody has checked:", () => {
  test("a server that hangs is waited for as long as a command may take, given up, and used again", async () => {
    await using valkey = await startTestValkey();
    const { client, store, errors, becomes } = await open(valkey, { commandTimeoutMs: 50 });
    await becomes("new");
    valkey.server.pause();
    const startedMs = performance.now();
    expect(await claimed(store, "b", shown())).toBe("rejected: no answer within 50 ms");
    // As bounded as a busy machine lets it be; the default of a decision is 500 ms.
    expect(performance.now() - startedMs).toBeLessThan(400);
    await vi.waitUntil(() => !client.isReady(), inTime);
    expect([store.isReady(), errors.join()]).toEqual([false, expect.stringContaining("no answer for 1000 ms")]);
    const unconnectedMs = performance.now();
    expect(await claimed(store, "b", shown())).toMatch(/^rejected: /);
    expect(performance.now() - unconnectedMs).toBeLessThan(50);
    valkey.server.resume();
    await becomes("new");
  });
  test("a server that is gone is reconnected to when it is back", async () => {
    await using valkey = await startTestValkey();
    let connections = 0;
    const onConnected = () => {
      connections += 1;
      throw new Error("nobody hears this");
    };
    const { client, store, becomes } = await open(valkey, { onConnected });
    await becomes("new");
    expect(connections).toBe(1);
    await valkey.server.stop("SIGKILL");
    await vi.waitUntil(() => !client.isReady(), inTime);
    expect(await claimed(store, "b", shown())).toMatch(/^rejected: .*(ECONNREFUSED|closed unexpectedly|ECONNRESET)/u);
    await valkey.server.start();
    const backMs = performance.now();
    await vi.waitUntil(() => client.isReady(), inTime);
    expect(performance.now() - backMs).toBeLessThan(2_000);
    expect(connections).toBe(2);
    await becomes("new");
  });
  test("a server whose memory is used up is full, forgets nothing, and serves when there is room", async () => {
    await using valkey = await startTestValkey();
    const { store, becomes } = await open(valkey);
    const served = await becomes("new");
    await valkey.operate("CONFIG", "SET", "maxmemory", "1000000");
    await becomes("full");
    expect(await claimed(store, served, shown())).toBe("replayed");
    await valkey.operate("CONFIG", "SET", "maxmemory", "0");
    await becomes("new");
  });
  test("a replica is not written to", async () => {
    await using valkey = await startTestValkey();
    const { client, store, errors, becomes } = await open(valkey);
    await becomes("new");
    await valkey.operate("REPLICAOF", "127.0.0.1", "1");
    await becomes(/^rejected: /);
    await vi.waitFor(() => expect(errors.join()).toMatch(/READONLY|it is no primary: its role is slave/), inTime);
    await vi.waitUntil(() => !client.isReady(), inTime);
    expect(store.isReady()).toBe(false);
    await valkey.operate("REPLICAOF", "NO", "ONE");
    await becomes("new");
  });
  test("a server that evicts keys is not used, from the start or from when it begins to", async () => {
    await using valkey = await startTestValkey();
    const { store, errors, becomes } = await open(valkey);
    await becomes("new");
    await valkey.operate("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const fault = "its maxmemory-policy is allkeys-lru, not noeviction";
    await becomes(new RegExp(`^rejected: .*${fault}`, "u"));
    expect([errors.join(), store.isReady()]).toEqual([expect.stringContaining(fault), false]);
    await valkey.operate("CONFIG", "SET", "maxmemory-policy", "noeviction");
    await becomes("new");
  });
  test.each(["+info", "+time", "+evalsha", "+set", "~zt:nonce:*"])("a user without %s", async (right) => {
    await using valkey = await startTestValkey({ acl: documentedAcl.replace(` ${right}`, "") });
    const client = valkeyClient(valkey.options());
    const store = valkeyNonceStore({ client });
    onTestFinished(() => {
      store.close();
      client.close();
    });
    const refused = /NOPERM|can't run this command|^early$/u;
    await vi.waitFor(async () => expect(await claimed(store, "a", shown())).toMatch(refused), inTime);
    expect(store.isReady()).toBe(false);
  });
  test("more than so many commands at once", async () => {
    await using valkey = await startTestValkey();
    const { store, becomes } = await open(valkey);
    await becomes("new");
    valkey.server.pause();
    const waiting = Array.from({ length: 4_096 }, (_, index) => claimed(store, `b${index}`, shown()));
    expect(await claimed(store, "c", shown())).toBe("rejected: 4096 commands wait for an answer");
    await valkey.server.stop("SIGKILL");
    const verdicts = await Promise.all(waiting);
    expect(verdicts.filter((verdict) => !verdict.startsWith("rejected"))).toEqual([]);
  });
  test("a clock that is far from Valkey's", async () => {
    await using valkey = await startTestValkey();
    const { client, becomes } = await open(valkey);
    await becomes("new");
    const now = () => Date.now() + 8_000;
    const ahead = valkeyNonceStore({ client, now });
    onTestFinished(() => ahead.close());
    const use = { keyId: "hk-aaaaaaaa", hash: "b", timestampSeconds: shown(), nowSeconds: Math.floor(now() / 1000) };
    await expect(ahead.claim(use)).rejects.toThrow("our clock and Valkey's are too far apart");
    expect(ahead.isReady()).toBe(false);
  });
});

describe.runIf(hasValkey)("a connection", () => {
  test("is not made in plaintext, without a user or with a password in the URL", () => {
    const identity = identityFromMemory;
    for (const url of [
      "redis://user@localhost:6379",
      "rediss://localhost:6379",
      "rediss://user:canary@localhost:6379",
      "rediss://user@localhost:6379/1",
      "rediss://user@localhost:6379?a=canary",
      "localhost:6379",
      "",
    ]) {
      const open = () => valkeyClient({ url, password: () => "", identity: identity as never, serverId: valkeyId });
      expect(open).toThrow(new TypeError("The URL of Valkey is not rediss://user@host:port."));
    }
  });
  test("takes the password and the certificate of now each time", async () => {
    await using valkey = await startTestValkey();
    const identity = identityFromMemory(
      await valkeyCa.issue({ spiffeId: "spiffe://production.internal/payment-service" }),
    );
    let password = valkey.server.password;
    const { client, errors, becomes } = await open(valkey, {
      identity,
      password: () => password,
      commandTimeoutMs: 500,
    });
    await becomes("new");
    await valkey.operate("ACL", "SETUSER", valkey.server.user, "resetpass", ">next");
    password = "next";
    const connections = async () =>
      Number(/total_connections_received:(\d+)/u.exec(String(await valkey.operate("INFO")))?.[1]);
    const before = await connections();
    const lost: string[] = [];
    identity.replace(await valkeyCa.issue({ spiffeId: "spiffe://production.internal/payment-service" }));
    await vi.waitFor(async () => {
      lost.push(errors.join(), String(client.isReady()));
      // Ours, and those of this question.
      expect((await connections()) - before).toBeGreaterThanOrEqual(2);
    }, inTime);
    expect(new Set(lost)).toEqual(new Set(["", "true"]));
    await becomes("new");
    await vi.waitFor(async () => {
      const others = String(await valkey.operate("CLIENT", "LIST")).match(/user=tests/gu);
      expect(others).toHaveLength(1);
    }, inTime);
  });
  test("with a wrong password is none, and says so without it", async () => {
    await using valkey = await startTestValkey();
    const errors: string[] = [];
    const client = valkeyClient(
      valkey.options({ password: () => "canary", onError: (error) => errors.push(error.message) }),
    );
    onTestFinished(() => client.close());
    await vi.waitFor(() => expect(errors.join()).toMatch(/WRONGPASS/u), inTime);
    expect([client.isReady(), errors.join().includes("canary")]).toEqual([false, false]);
  });
  test.each([
    ["another workload", async () => await valkeyCa.issue({ spiffeId: "spiffe://production.internal/order-service" })],
    ["another CA", async () => await (await createCa()).issue({ spiffeId: valkeyId })],
  ])("to %s ends before the password is sent", async (_name, issue) => {
    const heard: Buffer[] = [];
    let connections = 0;
    const { cert, key } = await issue();
    const impostor = createServer({ cert, key, minVersion: "TLSv1.3" }, (socket) => {
      socket.on("error", () => undefined).on("data", (data: Buffer) => heard.push(data));
    });
    impostor.on("connection", () => {
      connections += 1;
    });
    impostor.on("tlsClientError", () => undefined);
    impostor.listen(0, "127.0.0.1");
    await once(impostor, "listening");
    onTestFinished(() => void impostor.close());
    const errors: string[] = [];
    const identity = identityFromMemory(
      await valkeyCa.issue({ spiffeId: "spiffe://production.internal/payment-service" }),
    );
    const client = valkeyClient({
      url: `rediss://payment@127.0.0.1:${(impostor.address() as AddressInfo).port}`,
      password: () => "canary",
      identity,
      serverId: valkeyId,
      onError: (error) => errors.push(error.message),
    });
    onTestFinished(() => client.close());
    await vi.waitUntil(() => connections > 2, inTime);
    expect([client.isReady(), errors.length > 0, Buffer.concat(heard).toString()]).toEqual([false, true, ""]);
  });
  test("that was closed is closed for good", async () => {
    await using valkey = await startTestValkey();
    const { client, store, becomes } = await open(valkey);
    await becomes("new");
    client.close();
    expect([client.isReady(), await claimed(store, "b", shown())]).toEqual([
      false,
      expect.stringMatching(/^rejected/u),
    ]);
    await vi.waitFor(
      async () => expect(String(await valkey.operate("CLIENT", "LIST"))).not.toMatch(/user=tests/u),
      inTime,
    );
  });
});
