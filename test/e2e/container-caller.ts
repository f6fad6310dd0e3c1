import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Workload } from "@zero-trust/infra/names";
import type { Answer, CallAnswer, Request, TokenAnswer, TokenRequest } from "./caller/protocol.ts";

/** A call to make from the caller's container. */
export interface ContainerCall<M extends DescMethod> {
  /** The workload whose certificate to show; without, none is shown. */
  readonly as?: Workload;
  readonly message: MessageInitShape<M["input"]>;
  /** Credentials, as they go over the wire. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What came of a call. */
export interface Outcome<O extends DescMessage> {
  /** The name of the status code. */
  readonly code: string;
  readonly reason: string | undefined;
  readonly messages: readonly MessageShape<O>[];
}

/** The container on the services' network that makes the calls. */
export interface ContainerCaller extends AsyncDisposable {
  call<M extends DescMethod>(method: M, call: ContainerCall<M>): Promise<Outcome<M["output"]>>;
  /** Gets a token from the issuer, by certificate. */
  token(request: Omit<TokenRequest, "kind" | "as"> & { readonly as: Workload }): Promise<string>;
}

/** A call as it goes over the wire. */
export interface WireCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The path and the bytes of a call, as they go over the wire: what a signature covers. */
export function onTheWire<M extends DescMethod>(method: M, message: MessageInitShape<M["input"]>): WireCall {
  const path = `/${method.parent.typeName}/${method.name}`;
  return { path, bytes: toBinary(method.input, create(method.input, message)) };
}

/** Starts the program that makes the calls, in a container that is there. */
export function containerCaller(containerId: string): ContainerCaller {
  const program = ["exec", "--interactive", containerId, "node", "e2e/caller/main.ts"];
  const lines = new Lines(spawn("docker", program, { stdio: ["pipe", "pipe", "inherit"] }));
  return {
    async call<M extends DescMethod>(method: M, { as, message, metadata = {} }: ContainerCall<M>) {
      const { path, bytes } = onTheWire(method, message);
      const messages = [Buffer.from(bytes).toString("base64")];
      const to = `${method.parent.typeName.split(".")[0]}-service`;
      const request = { kind: "call", to, path, messages, metadata } as const;
      const answer = await lines.ask<CallAnswer>(as === undefined ? request : { ...request, as });
      const output: M["output"] = method.output;
      const received = answer.messages.map((text) => fromBinary(output, new Uint8Array(Buffer.from(text, "base64"))));
      return { code: answer.code, reason: answer.reason, messages: received };
    },
    async token(request) {
      return (await lines.ask<TokenAnswer>({ kind: "token", ...request })).token;
    },
    [Symbol.asyncDispose]: () => lines.close(),
  };
}

/** Requests and answers, a line each. */
class Lines {
  readonly #program: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #ended: Promise<unknown>;
  #lastId = 0;

  constructor(program: ChildProcessByStdio<Writable, Readable, null>) {
    this.#program = program;
    createInterface({ input: program.stdout }).on("line", (line) => {
      const { id, ...answer } = JSON.parse(line) as Answer & { readonly id: number };
      this.#waiting.get(id)?.resolve(answer);
      this.#waiting.delete(id);
    });
    // Writing to a program that has ended is told by its end.
    program.stdin.on("error", () => {});
    this.#ended = once(program, "close").then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The caller's program has ended."));
    });
  }

  async ask<A extends Answer>(request: Request): Promise<A> {
    this.#lastId += 1;
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.set(this.#lastId, answer);
    this.#program.stdin.write(`${JSON.stringify({ id: this.#lastId, ...request })}\n`);
    const result = await answer.promise;
    if ("failure" in result) throw new Error(`The caller failed: ${result.failure}`);
    return result as A;
  }

  async close(): Promise<void> {
    this.#program.stdin.end();
    await this.#ended;
  }
}
