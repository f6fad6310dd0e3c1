import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { collect, type PingServer, startPing, streamOf } from "./ping-server.ts";

/** A client of a port on which nobody speaks yet. */
interface Early extends AsyncDisposable {
  readonly client: PingServer["client"];
  /** Starts the server. */
  readonly start: () => Promise<PingServer>;
}

async function early(): Promise<Early> {
  // Keeps the port from others until the server comes.
  const placeholder = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => placeholder.listen(0, "127.0.0.1", resolve));
  const { port } = placeholder.address() as AddressInfo;
  const free = (): Promise<void> => new Promise((resolve) => placeholder.close(() => resolve()));
  const { client, [Symbol.asyncDispose]: dispose } = await startPing(
    {},
    { channel: { "grpc.initial_reconnect_backoff_ms": 100 }, channelPort: port },
  );
  return {
    client,
    async start(): Promise<PingServer> {
      await free();
      return startPing({}, { port });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await dispose();
      if (placeholder.listening) await free();
    },
  };
}

describe("a call that waits for its server", () => {
  test.each(["ping", "pingMany", "pingSum", "pingEach"] as const)(
    "is served once that is there (%s)",
    async (method) => {
      await using absent = await early();
      const options = { waitForReady: true };
      const { client } = absent;
      const calls = {
        ping: () => client.ping({ text: "a" }, options),
        pingMany: () => collect(client.pingMany({ count: 1 }, options)),
        pingSum: () => client.pingSum(streamOf({ value: 1 }), options),
        pingEach: () => collect(client.pingEach(streamOf({ text: "a" }), options)),
      };
      await expect(client.ping({})).rejects.toMatchObject({ code: status.UNAVAILABLE });
      const call = calls[method]();
      await using server = await absent.start();
      expect(await call).toBeDefined();
      expect(server.errors).toEqual([]);
    },
  );

  test("waits no longer than its deadline", async () => {
    await using absent = await early();
    const call = absent.client.ping({}, { waitForReady: true, timeoutMs: 300 });
    await expect(call).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test("can be cancelled while it waits", async () => {
    await using absent = await early();
    const call = absent.client.ping({}, { waitForReady: true, signal: AbortSignal.timeout(100) });
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
  });
});
