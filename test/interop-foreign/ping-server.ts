import { once } from "node:events";
import { Metadata, status } from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { parseGrants } from "@zero-trust/auth/server";
import { identityFromDirectory } from "@zero-trust/mtls";
import { detail, type HandlerContext, type Handlers, RpcError } from "@zero-trust/rpc";
import { ErrorInfoSchema } from "@zero-trust/rpc/error-details";
import { createLog, type Serving, serve, service } from "@zero-trust/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { CallEvents } from "./call-events.ts";

/** Our server, with the ping service as the example of its README has it. */
export interface PingServer extends Serving, AsyncDisposable {
  readonly calls: CallEvents;
  /** The records of one log: "decision", "connection". */
  records(log: string): readonly Record<string, unknown>[];
  /** Lets calls end that were asked to wait with `x-behaviour: hold`. */
  readonly release: () => void;
}

/** A deadline nearer than this is the caller's; the server's own limit for calls without one is farther away. */
const CALLERS_DEADLINE_MS = 10_000;

const byGrant = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policy = definePolicy(PingService, { ping: byGrant, pingMany: byGrant, pingSum: byGrant, pingEach: byGrant });

/** Starts it; `callerId` alone is granted anything. */
export async function startPingServer(options: {
  readonly folder: string;
  readonly callerId: string;
  readonly port?: number;
}): Promise<PingServer> {
  const { folder, callerId, port = 0 } = options;
  const lines: string[] = [];
  const calls = new CallEvents();
  const held = Promise.withResolvers<void>();
  const grants = parseGrants({ grants: [{ spiffeId: callerId, client: "caller", scopes: ["read:test"] }] });
  const serving = await serve({
    log: createLog({ name: "ping", destination: { write: (line) => lines.push(line) } }),
    identity: identityFromDirectory(folder),
    host: "127.0.0.1",
    port,
    protect: { trustDomain: "production.internal", grants: { current: () => grants }, credentials: [] },
    services: [service(PingService, behavingHandlers(calls, held.promise), { policy })],
  });
  return {
    ...serving,
    calls,
    records: (log) =>
      lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((each) => each["log"] === log),
    release: held.resolve,
    [Symbol.asyncDispose]: () => serving.close(),
  };
}

/** Handlers that send notes back, and do what `x-behaviour` asks for when the messages of a call have been dealt with. */
function behavingHandlers(calls: CallEvents, held: Promise<void>): Handlers<typeof PingService> {
  const handlers = pingHandlers<Metadata>();
  async function behave({ metadata, signal, deadlineMs }: HandlerContext): Promise<void> {
    const call = String(metadata.get("x-call")[0]);
    calls.add(call, "began");
    if (deadlineMs - Date.now() < CALLERS_DEADLINE_MS) calls.add(call, "timed");
    const behaviour = metadata.get("x-behaviour")[0];
    if (behaviour === "fail") {
      throw new RpcError(status.FAILED_PRECONDITION, "Not today.", {
        metadata: notesOf(metadata),
        details: [detail(ErrorInfoSchema, { reason: "NOT_TODAY", domain: "interop" })],
      });
    }
    if (behaviour === "hang") {
      if (!signal.aborted) await once(signal, "abort");
      calls.add(call, "ended");
      throw signal.reason;
    }
    if (behaviour === "hold") await held;
  }
  return {
    async ping(request, context) {
      echo(context);
      await behave(context);
      return handlers.ping(request, context);
    },
    async *pingMany(request, context) {
      echo(context);
      yield* handlers.pingMany(request);
      await behave(context);
    },
    async pingSum(requests, context) {
      echo(context);
      const answer = await handlers.pingSum(requests);
      await behave(context);
      return answer;
    },
    async *pingEach(requests, context) {
      echo(context);
      yield* handlers.pingEach(requests);
      await behave(context);
    },
  };
}

/** Sends the notes of a call back, as headers and as trailers. */
function echo({ metadata, responseHeaders, responseTrailers }: HandlerContext): void {
  responseHeaders.merge(notesOf(metadata));
  responseTrailers.merge(notesOf(metadata));
}

function notesOf(metadata: Metadata): Metadata {
  const notes = new Metadata();
  for (const key of ["x-note", "x-note-bin"]) {
    for (const value of metadata.get(key)) notes.add(key, value);
  }
  return notes;
}
