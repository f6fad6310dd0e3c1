import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ForeignClient, type Order, startForeignClient } from "./foreign-client.ts";
import { padded, pingCalls } from "./ping-calls.ts";
import { type PingServer, startPingServer } from "./ping-server.ts";
import { languages } from "./toolchain.ts";
import { anonymousFolder, workloadFolder } from "./workload-folder.ts";

const serverId = "spiffe://production.internal/ping";
const callerId = "spiffe://production.internal/caller";
const note = { "x-note": "a note", "x-note-bin": Buffer.from([0, 255, 10, 44]).toString("base64") };
/** The same, as a client reads it. */
const noteRead = { "x-note": [note["x-note"]], "x-note-bin": [note["x-note-bin"]] };
/** More than a message may have. */
const TOO_MANY_BYTES = 1024 * 1024 + 1;

describe.each(languages)("a client in %s", (language) => {
  let ca: TestCa;
  let callerFolder: string;
  let serverFolder: string;
  let server: PingServer;
  let client: ForeignClient;
  const received: Socket[] = [];
  const onSocket = (message: unknown) => received.push((message as { readonly socket: Socket }).socket);
  const bytesReceived = () => received.reduce((sum, { bytesRead }) => sum + bytesRead, 0);

  beforeAll(async () => {
    ca = await createCa();
    callerFolder = await workloadFolder(ca, callerId);
    serverFolder = await workloadFolder(ca, serverId);
    server = await startPingServer({ folder: serverFolder, callerId });
    subscribe("net.server.socket", onSocket);
    client = startForeignClient(language, { port: server.port, folder: callerFolder, serverId });
    // The connection is there before any deadline is short.
    await call({ method: "Ping", requests: [new Uint8Array()] });
  });
  afterAll(async () => {
    unsubscribe("net.server.socket", onSocket);
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const call = (order: Order) => client.call(order).ended;

  describe.each(pingCalls)("$kind", ({ method, requests, responses, read }) => {
    test("gets every answer, and both sides read the other's metadata", async () => {
      const ended = await call({ method, requests, metadata: note });
      expect(ended).toMatchObject({ code: status.OK, headers: noteRead, trailers: noteRead });
      expect(ended.responses.map(read)).toEqual(responses);
    });

    test("reads code, sentence, details and trailers of a failure", async () => {
      const ended = await call({ method, requests, metadata: { ...note, "x-behaviour": "fail" } });
      expect(ended).toMatchObject({ code: status.FAILED_PRECONDITION, message: "Not today.", reason: "NOT_TODAY" });
      expect(ended.trailers).toMatchObject(noteRead);
      // The library under Python may drop what has come and has not been read when a failure arrives.
      expect(responses.slice(0, ended.responses.length)).toEqual(ended.responses.map(read));
    });

    test("stops at its deadline, which the handler knows", async () => {
      const metadata = { "x-behaviour": "hang" };
      const { id, ended } = client.call({ method, requests, timeoutMs: 1_000, metadata });
      expect(await ended).toMatchObject({ code: status.DEADLINE_EXCEEDED });
      await server.calls.until(id, "timed");
      await server.calls.until(id, "ended");
    });

    test("cancels, and the handler's signal says so", async () => {
      const { id, ended, cancel } = client.call({ method, requests, metadata: { "x-behaviour": "hang" } });
      await server.calls.until(id, "began");
      cancel();
      expect(await ended).toMatchObject({ code: status.CANCELLED });
      await server.calls.until(id, "ended");
    });

    test("is refused with a message of more than 1 MiB", async () => {
      const large = requests.map((request) => padded(request, TOO_MANY_BYTES));
      expect(await call({ method, requests: large })).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    });

    test("is served when it compresses with gzip", async () => {
      const large = requests.map((request) => padded(request, 600_000));
      const before = bytesReceived();
      const ended = await call({ method, requests: large, gzip: true });
      expect(ended).toMatchObject({ code: status.OK });
      expect(ended.responses.map(read)).toEqual(responses);
      expect(bytesReceived() - before).toBeGreaterThan(0);
      expect(bytesReceived() - before).toBeLessThan(100_000);
    });

    test("reads why it is refused without a grant", async () => {
      const folder = await workloadFolder(ca, "spiffe://production.internal/stranger");
      await using stranger = startForeignClient(language, { port: server.port, folder, serverId });
      const { id, ended } = stranger.call({ method, requests });
      expect(await ended).toMatchObject({
        code: status.PERMISSION_DENIED,
        message: "The workload may not call this method.",
        reason: "PEER_NOT_GRANTED",
        responses: [],
      });
      expect(server.calls.has(id)).toBe(false);
    });
  });

  test("is refused in the handshake without a certificate", async () => {
    const refusals = () => server.records("connection").filter(({ msg }) => msg === "handshake refused").length;
    const [before, decisions] = [refusals(), server.records("decision").length];
    await using anonymous = startForeignClient(language, { port: server.port, folder: anonymousFolder(ca), serverId });
    const [{ method, requests }] = pingCalls;
    expect(await anonymous.call({ method, requests }).ended).toMatchObject({ code: status.UNAVAILABLE });
    await expect.poll(refusals).toBeGreaterThan(before);
    expect(server.records("decision")).toHaveLength(decisions);
  });

  // grpcio has no place for a look at the certificate: for a client in Python the DNS name decides.
  const looksAtIds = language === "Go" ? [callerId] : [];
  test.each(looksAtIds)("sends nothing to a workload of the same name that is another one", async () => {
    const otherId = "spiffe://production.internal/other/ping";
    const folder = await workloadFolder(ca, otherId);
    await using other = await startPingServer({ folder, callerId });
    const [{ method, requests }] = pingCalls;
    const call = async (expected: string) => {
      const where = { port: other.port, folder: callerFolder, serverId: expected };
      await using client = startForeignClient(language, where);
      return (await client.call({ method, requests }).ended).code;
    };
    expect(await call(serverId)).toBe(status.UNAVAILABLE);
    expect(other.records("decision")).toEqual([]);
    expect(await call(otherId)).toBe(status.OK);
  });

  test("loses no call when the server restarts", async () => {
    await using first = await startPingServer({ folder: serverFolder, callerId });
    await using restarted = startForeignClient(language, { port: first.port, folder: callerFolder, serverId });
    const running = pingCalls.map(({ method, requests }) =>
      restarted.call({ method, requests, metadata: { "x-behaviour": "hold" } }),
    );
    await Promise.all(running.map(({ id }) => first.calls.until(id, "began")));
    const closed = first.close();
    first.release();
    for (const { ended } of running) expect(await ended).toMatchObject({ code: status.OK });
    await closed;
    await using second = await startPingServer({ folder: serverFolder, callerId, port: first.port });
    for (const { method, requests } of pingCalls) {
      const { id, ended } = restarted.call({ method, requests, waitForReady: true });
      expect(await ended).toMatchObject({ code: status.OK });
      expect(second.calls.has(id)).toBe(true);
    }
  });
});
