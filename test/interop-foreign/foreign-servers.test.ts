import { compressionAlgorithms, Metadata, status } from "@grpc/grpc-js";
import { identityFromDirectory, type MutualTlsChannels, mutualTlsChannels } from "@zero-trust/mtls";
import { type CallOptions, createClient, RpcError } from "@zero-trust/rpc";
import { ErrorInfoSchema } from "@zero-trust/rpc/error-details";
import { createCa, PingService, type TestCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ForeignServer, startForeignServer } from "./foreign-server.ts";
import { type OurCall, ourCalls } from "./our-calls.ts";
import { languages } from "./toolchain.ts";
import { workloadFolder } from "./workload-folder.ts";

const serverId = "spiffe://production.internal/ping";
const callerId = "spiffe://production.internal/caller";

/** How one of our calls ended. */
interface Ended {
  readonly responses: readonly object[];
  readonly error: RpcError | undefined;
  readonly headers: Metadata | undefined;
  readonly trailers: Metadata | undefined;
}

const note = { "x-note": "a note", "x-note-bin": Buffer.from([0, 255, 10, 44]) };
const noteRead = [[note["x-note"]], [note["x-note-bin"]]];
const notesOf = (metadata: Metadata | undefined) => [metadata?.get("x-note"), metadata?.get("x-note-bin")];

describe.each(languages)("our client of a server in %s", (language) => {
  let ca: TestCa;
  let callerFolder: string;
  let server: ForeignServer;
  let channels: MutualTlsChannels;
  let made = 0;

  beforeAll(async () => {
    ca = await createCa();
    callerFolder = await workloadFolder(ca, callerId);
    server = await startForeignServer(language, { folder: await workloadFolder(ca, serverId), clientId: callerId });
    channels = channelsTo(server.port);
    // The connection is there before any deadline is short.
    await call(ourCalls[0]).ended;
  });
  afterAll(async () => {
    channels.close();
    await server[Symbol.asyncDispose]();
  });

  function channelsTo(port: number, folder = callerFolder, gzip = false): MutualTlsChannels {
    return mutualTlsChannels({
      identity: identityFromDirectory(folder),
      target: `127.0.0.1:${port}`,
      serverId,
      ...(gzip ? { channelOptions: { "grpc.default_compression_algorithm": compressionAlgorithms.gzip } } : {}),
    });
  }

  interface How extends Pick<CallOptions, "signal" | "timeoutMs"> {
    readonly metadata?: Readonly<Record<string, string | Buffer>>;
    readonly over?: MutualTlsChannels;
  }

  /** Starts a call; `id` is what the server calls it. */
  function call(ours: OurCall, { metadata = {}, over = channels, ...options }: How = {}) {
    const id = `ours-${made}`;
    made += 1;
    const sent = new Metadata();
    for (const [key, value] of Object.entries({ ...metadata, "x-call": id })) sent.set(key, value);
    async function finish(): Promise<Ended> {
      const responses: object[] = [];
      let [headers, trailers, failure]: [Metadata?, Metadata?, RpcError?] = [];
      const metadataOptions: CallOptions = {
        metadata: sent,
        onHeaders: (received) => {
          headers = received;
        },
        onTrailers: (received) => {
          trailers = received;
        },
      };
      try {
        const client = createClient(PingService, over);
        for await (const each of ours.make(client, { ...options, ...metadataOptions })) responses.push(each);
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        failure = error;
      }
      return { responses, error: failure, headers, trailers };
    }
    return { id, ended: finish() };
  }

  describe.each(ourCalls)("$kind", (ours) => {
    test("gets every answer, and both sides read the other's metadata", async () => {
      const { responses, error, headers, trailers } = await call(ours, { metadata: note }).ended;
      expect(error).toBeUndefined();
      expect(responses).toMatchObject(ours.responses);
      expect([headers, trailers].map(notesOf)).toEqual([noteRead, noteRead]);
    });

    test("reads code, sentence, details and trailers of a failure", async () => {
      const { responses, error, trailers } = await call(ours, { metadata: { ...note, "x-behaviour": "fail" } }).ended;
      expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, message: "Not today." });
      expect(error?.findDetail(ErrorInfoSchema)).toMatchObject({ reason: "NOT_TODAY", domain: "interop" });
      expect([error?.metadata, trailers].map(notesOf)).toEqual([noteRead, noteRead]);
      // grpc-js drops what has come and has not been read when a failure arrives.
      expect(responses).toMatchObject(ours.responses.slice(0, responses.length));
    });

    test("stops at its deadline, which the server knows", async () => {
      const { id, ended } = call(ours, { timeoutMs: 1_000, metadata: { "x-behaviour": "hang" } });
      expect((await ended).error).toMatchObject({ code: status.DEADLINE_EXCEEDED });
      await server.calls.until(id, "timed");
      await server.calls.until(id, "ended");
    });

    test("cancels, and the server sees it", async () => {
      const controller = new AbortController();
      const { id, ended } = call(ours, { signal: controller.signal, metadata: { "x-behaviour": "hang" } });
      await server.calls.until(id, "began");
      controller.abort();
      expect((await ended).error).toMatchObject({ code: status.CANCELLED });
      await server.calls.until(id, "ended");
    });

    test("sends and reads messages that are compressed with gzip", async () => {
      const over = channelsTo(server.port, callerFolder, true);
      const { responses, error } = await call(ours, { over }).ended;
      over.close();
      expect(error).toBeUndefined();
      expect(responses).toMatchObject(ours.responses);
    });

    test("sends nothing to a workload of the same name that is another one", async () => {
      const folder = await workloadFolder(ca, "spiffe://production.internal/other/ping");
      await using other = await startForeignServer(language, { folder, clientId: callerId });
      const over = channelsTo(other.port);
      const { id, ended } = call(ours, { over });
      expect((await ended).error).toMatchObject({ code: status.UNAVAILABLE });
      over.close();
      await other.close();
      expect(other.calls.has(id)).toBe(false);
    });

    test("is refused as a workload that the server does not know", async () => {
      const over = channelsTo(server.port, await workloadFolder(ca, "spiffe://production.internal/stranger"));
      const { id, ended } = call(ours, { over });
      const refusal = { Go: status.UNAVAILABLE, Python: status.PERMISSION_DENIED }[language];
      expect((await ended).error).toMatchObject({ code: refusal });
      over.close();
      expect(server.calls.has(id)).toBe(false);
    });
  });
});
