import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { clientTlsOptions, type ServerRule, type TlsIdentity } from "@zero-trust/mtls";
import { causeOf, forsake } from "../answers.ts";
import { ValkeyConnection, type ValkeyReply, ValkeyUnavailable } from "./valkey-connection.ts";

/** Where a Valkey (or Redis) server is, who it has to be, and as whom it is asked. */
export interface ValkeyClientOptions {
  /** `rediss://user@host:port`: always TLS, a user of its own, and no password, which would end up in logs. */
  readonly url: string | URL;
  /** Asked for each connection, so that it can be changed while the process runs. */
  readonly password: () => string | Promise<string>;
  /** What we show; each connection shows the certificate of its time. */
  readonly identity: TlsIdentity;
  /** Whom the server must be: `spiffe://production.internal/valkey`. It gets no password unless it is. */
  readonly serverId: string | ServerRule;
  /** How long one command may take, in milliseconds; then nobody has checked. @defaultValue 50 */
  readonly commandTimeoutMs?: number;
  /** Told when there is no connection, and why; once for each reason. @defaultValue nobody */
  readonly onError?: (error: Error) => void;
  /** Told when there is a connection, where there was none. @defaultValue nobody */
  readonly onConnected?: () => void;
}

/** A connection to Valkey that comes back by itself, shared by stores. */
export interface ValkeyClient {
  /**
   * Runs a script, which is one atomic step, in one round trip.
   *
   * @throws ValkeyUnavailable when it could not be run, or nobody knows whether it was
   */
  run(script: ValkeyScript, call: ValkeyCall): Promise<ValkeyReply>;
  /** Whether there is a connection to a server that may be relied on. */
  isReady(): boolean;
  /** Ends the connection; every command is rejected from then on. */
  close(): void;
}

/** What a script is run with. */
export interface ValkeyCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** A script, and the name that the server knows it by. */
export interface ValkeyScript {
  readonly source: string;
  readonly sha1: string;
  /** Whether it writes nothing, so that a user who may only read its keys can run it. */
  readonly isReadOnly: boolean;
}

/** Names a script once; SHA-1 is what EVALSHA takes, and nothing rests on it. */
export function valkeyScript(
  source: string,
  { isReadOnly = false }: { readonly isReadOnly?: boolean } = {},
): ValkeyScript {
  return { source, sha1: createHash("sha1").update(source).digest("hex"), isReadOnly };
}

/** A tenth of the time that a decision may take; a Valkey nearby answers in less than one millisecond. */
const COMMAND_TIMEOUT_MS = 50;
/** Like every other connection: what was withdrawn since it was opened is not shown for longer. */
const MAX_AGE_MS = 5 * 60_000;
/** The first pause before the next connection; it doubles, up to the longest: back within two seconds of the server. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 800;
/** A connection that lived for so long was a good one. */
const LIVED_MS = 2_000;

/** What a server answers that is not the one to write to: another may have taken its place under the same name. */
const notThePrimary = new Set(["READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING"]);

/**
 * Connects to Valkey or Redis over mutual TLS, in the background, and again whenever the connection is lost. Commands are
 * pipelined on one connection, bounded in time and number, and never kept for later: without a connection they are rejected at
 * once. A server that evicts keys, a replica and a cluster's node are not used.
 *
 * @param options - where, as whom and to whom
 * @throws TypeError when the URL is not `rediss://user@host:port`, or the time makes no sense
 * @example
 * ```ts
 * import { readFileSync } from "node:fs";
 * import { valkeyClient } from "@zero-trust/auth/stores/valkey";
 * import { identityFromDirectory } from "@zero-trust/mtls";
 *
 * const client = valkeyClient({
 *   url: "rediss://payment@valkey.production.internal:6379",
 *   password: () => readFileSync("/run/secrets/valkey-password", "utf8").trimEnd(),
 *   identity: identityFromDirectory("/run/secrets/tls"),
 *   serverId: "spiffe://production.internal/valkey",
 *   onError: (error) => console.warn(error.message),
 * });
 * ```
 */
export function valkeyClient(options: ValkeyClientOptions): ValkeyClient {
  const { password, identity, serverId, commandTimeoutMs = COMMAND_TIMEOUT_MS } = options;
  const place = placeIn(options.url);
  if (!(commandTimeoutMs > 0 && commandTimeoutMs < 2 ** 31)) throw new TypeError("commandTimeoutMs is no time.");
  // Not only when it connects: what is wrong with it will not get better.
  clientTlsOptions({ identity, serverId });
  const closing = new AbortController();
  let connection: ValkeyConnection | undefined;
  let complaint: string | undefined;
  let changed = Promise.withResolvers<void>();
  const stopListening = identity.onChange(() => changed.resolve());

  function complain(error: unknown): void {
    const message = `Valkey at ${place.host}:${place.port}: ${causeOf(error)}`;
    if (message === complaint || closing.signal.aborted) return;
    complaint = message;
    tell(() => options.onError?.(new ValkeyUnavailable(message)));
  }

  async function open(): Promise<ValkeyConnection> {
    return await ValkeyConnection.open({
      ...place,
      password: await password(),
      identity,
      serverId,
      commandTimeoutMs,
    });
  }

  /** Connects and resolves when that connection should be replaced, which serves until then: at once, or when it has ended. */
  async function serveOne(): Promise<"replace" | "lost"> {
    changed = Promise.withResolvers<void>();
    const before = connection;
    try {
      const next = await open();
      if (closing.signal.aborted) next.drop(new ValkeyUnavailable("closed"));
      connection = next;
      before?.retire();
      complaint = undefined;
      if (before?.isOpen !== true) tell(() => options.onConnected?.());
      const aged = setTimeout(changed.resolve, MAX_AGE_MS).unref();
      const reason = await Promise.race([next.ended, changed.promise]);
      clearTimeout(aged);
      if (reason === undefined) return "replace";
      complain(reason);
    } catch (error) {
      complain(error);
      // Who it is and whom it trusts may be what has changed.
      before?.drop(new ValkeyUnavailable("it could not be replaced"));
    }
    return "lost";
  }

  async function keepConnected(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!closing.signal.aborted) {
      const startedMs = performance.now();
      if ((await serveOne()) === "replace") continue;
      pauseMs = performance.now() - startedMs > LIVED_MS ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      // Not all of a fleet at the same moment.
      const waitMs = pauseMs * (0.5 + Math.random() / 2);
      await pause(waitMs, undefined, { ref: false, signal: closing.signal }).catch(() => undefined);
    }
  }

  async function run({ source, sha1, isReadOnly }: ValkeyScript, { keys, args }: ValkeyCall): Promise<ValkeyReply> {
    const open = connection;
    if (open?.isOpen !== true) throw new ValkeyUnavailable(complaint ?? "there is no connection to Valkey");
    const suffix = isReadOnly ? "_RO" : "";
    const rest = [String(keys.length), ...keys, ...args.map(String)];
    try {
      try {
        return await open.send([`EVALSHA${suffix}`, sha1, ...rest]);
      } catch (error) {
        if (codeOf(error) !== "NOSCRIPT") throw error;
        return await open.send([`EVAL${suffix}`, source, ...rest]);
      }
    } catch (error) {
      if (notThePrimary.has(codeOf(error) ?? "")) open.drop(error as Error);
      throw error;
    }
  }

  void keepConnected();
  return {
    run,
    isReady: () => connection?.isOpen === true,
    close() {
      closing.abort();
      stopListening();
      connection?.drop(new ValkeyUnavailable("closed"));
    },
  };
}

/** Whoever listens must not end the connection. */
function tell(listener: () => unknown): void {
  try {
    forsake(listener());
  } catch {
    // It is nobody's to hear.
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ValkeyUnavailable ? error.code : undefined;
}

function placeIn(given: string | URL): { readonly host: string; readonly port: number; readonly user: string } {
  const url = URL.parse(String(given));
  const isPlain = url !== null && url.protocol === "rediss:" && url.password === "" && url.search + url.hash === "";
  const isWhole = url !== null && url.username !== "" && url.hostname !== "" && ["", "/"].includes(url.pathname);
  // Not a word of what was given: a password may stand in it.
  if (!isPlain || !isWhole) throw new TypeError("The URL of Valkey is not rediss://user@host:port.");
  const host = url.hostname.replaceAll(/[[\]]/gu, "");
  return { host, port: Number(url.port || 6379), user: decodeURIComponent(url.username) };
}
