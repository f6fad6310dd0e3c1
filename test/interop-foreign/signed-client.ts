import { randomUUID } from "node:crypto";
import { startJsonProgram } from "./json-program.ts";
import { pythonProgram } from "./toolchain.ts";

/** A call that a client in another language is to make with credentials. */
export interface SignedOrder {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly message: Uint8Array;
  /** Whether there may be several answers. */
  readonly stream?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  /** The key to sign with; another path, message or time than those of the call, where the signature is to be wrong. */
  readonly sign?: {
    readonly keyId: string;
    readonly secret: string;
    readonly path?: string;
    readonly message?: Uint8Array;
    readonly timestamp?: string;
  };
  /** The metadata key in whose value one bit changes after signing. */
  readonly flip?: string;
  /** How often the call is made with the same metadata; once unless given. */
  readonly times?: number;
}

/** How one call ended, as the client saw it. */
export interface SignedEnd {
  /** `UNAUTHENTICATED` */
  readonly code: string;
  readonly answers?: number;
  /** Of our `google.rpc.ErrorInfo`. */
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How many vectors were tried, and the names of those that the client gets wrong. */
export interface Tried {
  readonly tried: number;
  readonly wrong: readonly string[];
}

/** A process with one channel. */
export interface SignedClient extends AsyncDisposable {
  call(order: SignedOrder): Promise<readonly SignedEnd[]>;
  /** Tries a file of vectors. */
  tryVectors(file: string): Promise<Tried>;
}

/** Starts the client in Python; `folder` has its certificates. */
export function startSignedClient(where: {
  readonly port: number;
  readonly folder: string;
  readonly serverId: string;
}): SignedClient {
  const waiting = new Map<string, PromiseWithResolvers<unknown>>();
  const args = [`127.0.0.1:${where.port}`, where.folder, where.serverId];
  const program = startJsonProgram([...pythonProgram("signed_client.py"), ...args], {
    onLine: (value) => waiting.get((value as { readonly id: string }).id)?.resolve(value),
    onEnd() {
      for (const { reject } of waiting.values()) reject(new Error("The client in Python ended before its answer."));
    },
  });
  const ask = (order: object): Promise<unknown> => {
    const id = randomUUID();
    const answer = Promise.withResolvers<unknown>();
    waiting.set(id, answer);
    program.send({ id, ...order });
    return answer.promise;
  };
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return {
    async call({ message, sign, ...order }) {
      const signing =
        sign === undefined
          ? {}
          : { sign: { ...sign, ...(sign.message === undefined ? {} : { message: base64(sign.message) }) } };
      const answer = await ask({ ...order, ...signing, message: base64(message) });
      return (answer as { readonly ended: readonly SignedEnd[] }).ended;
    },
    tryVectors: (file) => ask({ vectors: file }) as Promise<Tried>,
    [Symbol.asyncDispose]: () => program.end(),
  };
}
