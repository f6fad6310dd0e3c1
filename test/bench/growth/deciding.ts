import { Metadata, type ServerInterceptingCallInterface, type ServiceDefinition } from "@grpc/grpc-js";
import { type GrantSource, type ProtectOptions, protect, type Verifier } from "@zero-trust/auth/server";
import type { PresentedPeer } from "./presented-peer.ts";

/** A call as it comes from the wire. */
export interface IncomingCall {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly peer: PresentedPeer;
  /** What a signature is over; read when it is asked for. */
  readonly message?: Buffer;
}

/** What calls are judged by. */
export interface DecidingOptions extends Pick<ProtectOptions, "policies"> {
  readonly grants?: GrantSource;
  readonly credentials?: readonly Verifier[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Has a call judged; rejects unless it is let in. */
export type Decide = (call: IncomingCall) => Promise<void>;

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/** Nobody is held up here: all calls come from one process, as fast as they are judged. */
const rate = { perSecond: 1_000_000, burst: 1_000_000 };

/**
 * Has calls judged by a real `protect()`, from their metadata until the handler would begin, without a wire: sockets and HTTP/2 take
 * ten times as long, and what grows would be lost in what they vary by.
 */
export function deciding({ grants, credentials = [], ...options }: DecidingOptions): Decide {
  const nobody = new Map();
  let cause: string | undefined;
  const guard = protect({
    ...options,
    trustDomain: "production.internal",
    grants: grants ?? { current: () => nobody },
    credentials,
    onDecision(event) {
      cause = event.cause;
    },
    limits: { peer: rate, client: rate, failures: rate },
  });
  return ({ path, metadata, peer, message }) =>
    new Promise((resolve, reject) => {
      let listener: Listener | undefined;
      const wire = {
        start(it: Listener) {
          listener = it;
        },
        startRead() {
          if (message !== undefined) listener?.onReceiveMessage(message);
        },
        // The decision is on record a moment later, with its cause.
        sendStatus: () => queueMicrotask(() => reject(new Error(`A call was refused: ${cause}.`))),
        getAuthContext: () => peer.authContext,
        getConnectionInfo: () => peer.connection,
      } as unknown as ServerInterceptingCallInterface;
      const call = guard(methodAt(path), wire);
      const letIn = () => {
        // Its end: nobody is to judge it again.
        listener?.onCancel();
        resolve();
      };
      call.start({
        onReceiveMetadata: letIn,
        onReceiveMessage: () => undefined,
        onReceiveHalfClose: () => undefined,
        onCancel: () => undefined,
      });
      const received = new Metadata();
      for (const [key, value] of Object.entries(metadata)) received.set(key, value);
      listener?.onReceiveMetadata(received);
    });
}

/** A method of a service as grpc-js knows it, whose messages stay bytes. */
function methodAt(path: string): ServiceDefinition[string] {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
}
