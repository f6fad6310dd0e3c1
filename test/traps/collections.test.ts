import { describe, expect, test } from "vitest";
import { runChild } from "./child.ts";
import type { Held } from "./held.ts";

describe("what is over lives on until the whole heap is collected", () => {
  /** For something that makes a buffer. Each has a process of its own, whose heap nothing else fills. */
  async function heldBy(one: string): Promise<Held> {
    const source = `
      import { setImmediate } from "node:timers/promises";
      import * as grpc from "@grpc/grpc-js";
      import { echoClient } from "./traps/echo-client.ts";
      import { echoServer } from "./traps/echo-server.ts";
      import { buffer, held } from "./traps/held.ts";
      ${one}
      console.log(JSON.stringify(await held(one)));
    `;
    // On a busy machine V8 lets the heap grow less, and collects the whole of it of its own accord.
    const flags = ["--expose-gc", "--heap-growing-percent=1000"];
    const { stdout, stderr } = await runChild(source, {}, flags);
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as Held;
  }

  /** Unary calls, all over one connection. */
  const calls = (options: string, handle = ""): string => `
    const Unary = (call, callback) => {
      ${handle}
      callback(null, call.request);
    };
    using echo = await echoServer({ options: ${options}, handlers: { Unary } });
    using client = echoClient(echo.port);
    const one = () => client.call();
  `;

  test("library: most of 400 calls that are over survive young collections with their metadata, and none a full one", async () => {
    const { young, full } = await heldBy(calls("{}", "Object.assign(call.metadata, { proof: buffer() });"));
    expect(young).toBeGreaterThan(300);
    expect(full).toBeLessThan(100);
    // The same collections take what hangs on no call.
    expect((await heldBy(calls("{}", "Object.assign({}, { proof: buffer() });"))).young).toBeLessThan(100);
  });

  test("library: so does what an interceptor knows of a call, unless it lets go of it in onCancel", async () => {
    const interceptor = `
      const credentialsOf = buffer;
      // page: let-go
      const interceptor: grpc.ServerInterceptor = (_method, call) => {
        const known: { credentials?: unknown } = {};
        return new grpc.ServerInterceptingCall(call, {
          start: (next) =>
            next({
              onReceiveMetadata: (metadata, handOn) => {
                known.credentials = credentialsOf(metadata);
                handOn(metadata);
              },
              // Comes for every call that is over, also for one that went well.
              onCancel: () => {
                known.credentials = undefined;
              },
            }),
        });
      };
      // end
    `;
    const options = "{ interceptors: [interceptor] }";
    expect((await heldBy(interceptor + calls(options))).young).toBeLessThan(100);
    const keeps = interceptor.replace("known.credentials = undefined;", "");
    expect((await heldBy(keeps + calls(options))).young).toBeGreaterThan(300);
  });

  test("library: a Set of what runs does the same, unless it has holders that are emptied", async () => {
    const kept = await heldBy(`
      const running = new Set();
      const one = async () => {
        const call = { proof: buffer() };
        running.add(call);
        await setImmediate();
        running.delete(call);
      };
    `);
    const emptied = await heldBy(`
      const running = new Set();
      const one = async () => {
        const place = { call: { proof: buffer() } };
        running.add(place);
        await setImmediate();
        running.delete(place);
        place.call = undefined;
      };
    `);
    expect(kept.young).toBeGreaterThan(300);
    expect(kept.full).toBeLessThan(100);
    expect(emptied.young).toBeLessThan(100);
  });

  test("library: a getter in an object literal keeps what it sees in the same way, and one of a class does not", async () => {
    const literal = await heldBy(`
      const one = async () => {
        const proof = buffer();
        const call = { get proof() { return proof; } };
        await setImmediate();
        return call.proof.byteLength;
      };
    `);
    const ofClass = await heldBy(`
      class Call {
        #proof = buffer();
        get proof() { return this.#proof; }
      }
      const one = async () => {
        const call = new Call();
        await setImmediate();
        return call.proof.byteLength;
      };
    `);
    expect(literal.young).toBeGreaterThan(300);
    expect(literal.full).toBeLessThan(100);
    expect(ofClass.young).toBeLessThan(100);
  });
});
