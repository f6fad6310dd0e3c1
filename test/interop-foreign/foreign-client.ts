import { randomUUID } from "node:crypto";
import { startJsonProgram } from "./json-program.ts";
import { type Language, programsOf } from "./toolchain.ts";
import { folderOfRun } from "./workload-folder.ts";

/** A call that a client in another language is to make. */
export interface Order {
  readonly method: string;
  /** Serialized messages. */
  readonly requests: readonly Uint8Array[];
  /** 20 s unless given, in milliseconds. */
  readonly timeoutMs?: number;
  /** Base64 where the key ends in `-bin`. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly gzip?: boolean;
  readonly waitForReady?: boolean;
}

/** How a call ended, as the client saw it. */
export interface Ended {
  /** Those that came before the end; base64. */
  readonly responses: readonly string[];
  readonly code: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly trailers: Readonly<Record<string, readonly string[]>>;
  /** The reason of `google.rpc.ErrorInfo`. */
  readonly reason: string;
}

/** A call that has been started. */
export interface ForeignCall {
  /** Is in the call's metadata as `x-call`. */
  readonly id: string;
  readonly ended: Promise<Ended>;
  readonly cancel: () => void;
}

/** A process with one channel. */
export interface ForeignClient extends AsyncDisposable {
  call(order: Order): ForeignCall;
}

/** Starts a client in another language; `folder` has its certificates. */
export function startForeignClient(
  language: Language,
  { port, folder, serverId }: { readonly port: number; readonly folder: string; readonly serverId: string },
): ForeignClient {
  const waiting = new Map<string, PromiseWithResolvers<Ended>>();
  const args = [`127.0.0.1:${port}`, folder, serverId];
  const program = startJsonProgram([...programsOf(language, folderOfRun()).client, ...args], {
    onLine(value) {
      const ended = value as Ended & { readonly id: string };
      waiting.get(ended.id)?.resolve(ended);
    },
    onEnd() {
      for (const { reject } of waiting.values()) reject(new Error(`The client in ${language} ended before its call.`));
    },
  });
  return {
    call({ method, requests, timeoutMs = 20_000, metadata = {}, gzip = false, waitForReady = false }): ForeignCall {
      const id = randomUUID();
      const ended = Promise.withResolvers<Ended>();
      waiting.set(id, ended);
      const encoded = requests.map((bytes) => Buffer.from(bytes).toString("base64"));
      const entries = { ...metadata, "x-call": id };
      program.send({ id, method, requests: encoded, timeoutMs, metadata: entries, gzip, waitForReady });
      return { id, ended: ended.promise, cancel: () => program.send({ id, cancel: true }) };
    },
    [Symbol.asyncDispose]: () => program.end(),
  };
}
