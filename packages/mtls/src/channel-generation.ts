import { createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import type { MutualTlsCall } from "./channels.ts";
import { CountedCall } from "./counted-call.ts";
import { CHANNEL_DEFAULTS, CHANNEL_FIXED } from "./grpc-options.ts";
import type { ExpectedServer } from "./server-identity.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { REJECT_UNAUTHORIZED, secureContextOptions } from "./tls-policy.ts";
import type { Trust } from "./trust.ts";

type Call = ReturnType<grpc.ChannelInterface["createCall"]>;
type CreateCall = Parameters<grpc.ChannelInterface["createCall"]>;

interface Place {
  call: Call | undefined;
}

/** A timer of Node runs at once when asked for more; a new connection after 24 days does no harm. */
export const LONGEST_TIMER_MS: number = 2 ** 31 - 1;

/** The channel of one version of our certificates, which is closed when its last call has ended. */
export class ChannelGeneration {
  readonly channel: grpc.Channel;
  /** What was trusted when it was opened. */
  readonly trust: Trust;
  /** Of the certificate that it shows: base64url SHA-256 of its DER. */
  readonly thumbprint: string;
  /** When that certificate ends, epoch milliseconds. */
  readonly expiresAtMs: number;
  /**
   * The calls that have not ended, each where it leaves when it has. Of a set that is always being added to V8 keeps what was in it at times until
   * the whole heap is collected; so that is not the call itself.
   */
  readonly #places = new Set<Place>();
  readonly #onServerExpired: () => void;
  #serverEnds: { readonly atMs: number; readonly timer: NodeJS.Timeout } | undefined;
  #retired: (() => void) | undefined;

  constructor(options: {
    readonly target: string;
    readonly identity: TlsIdentity;
    readonly server: ExpectedServer;
    readonly channelOptions: grpc.ChannelOptions;
    /** The certificate that a server showed has expired. */
    readonly onServerExpired: () => void;
  }) {
    const { target, identity, server, channelOptions } = options;
    const { servername } = server;
    this.#onServerExpired = options.onServerExpired;
    const checkServerIdentity: ExpectedServer["checkServerIdentity"] = (host, certificate) => {
      const error = server.checkServerIdentity(host, certificate);
      if (error === undefined) this.#serverEndsAt(Date.parse(certificate.valid_to) + 1000);
      return error;
    };
    this.trust = identity.trust;
    this.thumbprint = identity.thumbprint;
    this.expiresAtMs = identity.expiresAtMs;
    const context = createSecureContext(secureContextOptions(identity));
    const verify = { checkServerIdentity, rejectUnauthorized: REJECT_UNAUTHORIZED };
    this.channel = new grpc.Channel(target, grpc.credentials.createFromSecureContext(context, verify), {
      ...CHANNEL_DEFAULTS,
      ...channelOptions,
      ...CHANNEL_FIXED,
      "grpc.ssl_target_name_override": servername,
    });
  }

  createCall(...args: CreateCall): MutualTlsCall {
    const call = this.channel.createCall(...args);
    const place: Place = { call };
    this.#places.add(place);
    return new CountedCall(call, this.thumbprint, () => this.#ended(place));
  }

  get isConnected(): boolean {
    return this.channel.getConnectivityState(false) === grpc.connectivityState.READY;
  }

  /** Resolves when its connections are in this state, or it is closed; it makes one for whoever waits for READY. */
  async reaches(wanted: grpc.connectivityState): Promise<void> {
    for (;;) {
      const state = this.channel.getConnectivityState(false);
      if (state === wanted || state === grpc.connectivityState.SHUTDOWN) return;
      if (wanted === grpc.connectivityState.READY) this.channel.getConnectivityState(true);
      await new Promise<void>((resolve) => this.channel.watchConnectivityState(state, Infinity, () => resolve()));
    }
  }

  /** Closes when the last call has ended, or after this time. */
  retire(afterMs: number, onClosed: () => void): void {
    const timer = setTimeout(() => this.close(), afterMs).unref();
    this.#retired = () => {
      clearTimeout(timer);
      onClosed();
    };
    if (this.#places.size === 0) {
      this.close();
    }
  }

  /** Ends the calls, which the end of their channel would not. */
  close(): void {
    clearTimeout(this.#serverEnds?.timer);
    for (const { call } of this.#places) call?.cancelWithStatus(grpc.status.UNAVAILABLE, "The channel was closed.");
    this.#places.clear();
    this.channel.close();
    this.#retired?.();
    this.#retired = undefined;
  }

  /** Of the servers behind the channel the one whose certificate ends first ends it for all. */
  #serverEndsAt(atMs: number): void {
    if (this.#serverEnds !== undefined && this.#serverEnds.atMs <= atMs) {
      return;
    }
    clearTimeout(this.#serverEnds?.timer);
    const timer = setTimeout(this.#onServerExpired, Math.min(atMs - Date.now(), LONGEST_TIMER_MS)).unref();
    this.#serverEnds = { atMs, timer };
  }

  #ended(place: Place): void {
    place.call = undefined;
    this.#places.delete(place);
    if (this.#places.size === 0 && this.#retired !== undefined) {
      // Not within the call that ended: its listeners may still make use of the channel.
      setImmediate(() => this.close());
    }
  }
}
