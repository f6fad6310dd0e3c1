import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { runChild } from "./child.ts";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { retryingConfig } from "./retrying-config.ts";

/** A program that serves `handlers` with `interceptors`, calls once with a deadline of a second, and prints the status. */
const callOnce = (options: string, handlers: string): string => `
  import * as grpc from "@grpc/grpc-js";
  import { echoClient } from "./traps/echo-client.ts";
  import { echoServer } from "./traps/echo-server.ts";
  process.on("unhandledRejection", (error) => console.log("unhandled:", error.message));
  process.on("uncaughtException", (error) => console.log("uncaught:", error.message));
  using echo = await echoServer({ options: ${options}, handlers: ${handlers} });
  using client = echoClient(echo.port);
  const { code, text } = await client.call({ options: { deadline: Date.now() + 1000 } });
  console.log(grpc.status[code], text.slice(0, 17));
`;

const hanging = "DEADLINE_EXCEEDED Deadline exceeded\n";

describe("a promise that is rejected in an interceptor or handler", () => {
  test("library: an async onReceiveMetadata that rejects is an unhandled rejection, and its caller waits for its deadline", async () => {
    const interceptor = `(_method, call) => new grpc.ServerInterceptingCall(call, {
      start: (next) => next({ async onReceiveMetadata() { throw new Error("no token"); } }),
    })`;
    const { stdout } = await runChild(callOnce(`{ interceptors: [${interceptor}] }`, "{}"));
    expect(stdout).toBe(`unhandled: no token\n${hanging}`);
  });

  test("library: an async handler that rejects is an unhandled rejection, and its caller waits for its deadline", async () => {
    const { stdout } = await runChild(callOnce("{}", `{ async Unary() { throw new Error("no database"); } }`));
    expect(stdout).toBe(`unhandled: no database\n${hanging}`);
  });

  test("library: an unhandled rejection ends the process, and every call in it", async () => {
    const { code, stdout, stderr } = await runChild(`
      import { echoClient } from "./traps/echo-client.ts";
      import { echoServer } from "./traps/echo-server.ts";
      using echo = await echoServer({ handlers: { async Unary() { throw new Error("no database"); } } });
      using client = echoClient(echo.port);
      await client.call();
      console.log("answered");
    `);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("no database");
  });
});

describe("the text of an error goes to the caller", () => {
  test("library: callback(new Error(text)) sends the text to the caller", async () => {
    const fail: grpc.handleUnaryCall<Buffer, Buffer> = (_call, callback) =>
      callback(new Error("connect ECONNREFUSED 10.0.0.5:5432"));
    using echo = await echoServer({ handlers: { Unary: fail } });
    using client = echoClient(echo.port);
    expect(await client.call()).toEqual({
      code: grpc.status.UNKNOWN,
      text: "connect ECONNREFUSED 10.0.0.5:5432",
    });
  });

  test("library: an error that a handler throws synchronously is answered without its text", async () => {
    const Unary = () => {
      throw new Error("connect ECONNREFUSED 10.0.0.5:5432");
    };
    using echo = await echoServer({ handlers: { Unary } });
    using client = echoClient(echo.port);
    expect(await client.call()).toEqual({ code: grpc.status.UNKNOWN, text: "Unknown error" });
  });

  test("library: half a surrogate pair in the details leaves the caller without an answer", async () => {
    const handler = String.raw`{ Unary: (_call, callback) => {
      try { callback({ code: 3, details: "cut off in an emoji: \ud83d" }); } catch (error) { console.log(error.message); }
    } }`;
    const { stdout } = await runChild(callOnce("{}", handler));
    expect(stdout).toBe(`URI malformed\n${hanging}`);
  });

  test("library: toWellFormed answers it", async () => {
    const fail: grpc.handleUnaryCall<Buffer, Buffer> = (_call, callback) => {
      const text = "cut off in an emoji: \ud83d";
      // page: well-formed
      callback({ code: grpc.status.INVALID_ARGUMENT, details: text.toWellFormed() });
      // end
    };
    using echo = await echoServer({ handlers: { Unary: fail } });
    using client = echoClient(echo.port);
    expect(await client.call()).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  });
});

describe("AsyncLocalStorage is lost in streams", () => {
  test("library: what an interceptor runs in AsyncLocalStorage is gone at later messages of a stream", async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const remember: grpc.ServerInterceptor = (_method, call) =>
      new grpc.ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, nextMetadata) => storage.run("order-service", () => nextMetadata(metadata)),
          }),
      });
    const Bidi = (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      seen.push(storage.getStore());
      call.on("data", (message: Buffer) => {
        seen.push(storage.getStore());
        call.write(message);
      });
      call.on("end", () => call.end());
    };
    using echo = await echoServer({ options: { interceptors: [remember] }, handlers: { Bidi } });
    using client = echoClient(echo.port);
    const call = client.bidi();
    for (let message = 0; message < 3; message += 1) {
      call.write(Buffer.from("x"));
      await once(call, "data");
    }
    call.end();
    await once(call.resume(), "status");
    expect(seen).toHaveLength(4);
    expect(seen[0]).toBe("order-service");
    expect(seen).toContain(undefined);
  });
});

describe("leaving a for await loop over a call", () => {
  const leave = (messages: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => AsyncIterable<Buffer>) => ({
    async Bidi(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      for await (const message of messages(call)) {
        call.write(message);
        break;
      }
      call.end();
    },
  });

  async function statusOf(port: number, deadlineMs: number): Promise<grpc.status> {
    using client = echoClient(port);
    const call = client.bidi({ deadline: Date.now() + deadlineMs });
    call.on("error", () => {});
    call.write(Buffer.from("one"));
    call.resume();
    const { code } = await new Promise<grpc.StatusObject>((resolve) => call.once("status", resolve));
    return code;
  }

  test("library: a handler that leaves for await (… of call) never answers", async () => {
    using echo = await echoServer({ handlers: leave((call) => call as AsyncIterable<Buffer>) });
    expect(await statusOf(echo.port, 1000)).toBe(grpc.status.DEADLINE_EXCEEDED);
  });

  test("library: with iterator({ destroyOnReturn: false }) it does", async () => {
    // page: destroy-on-return
    const messages = (call: grpc.ServerDuplexStream<Buffer, Buffer>) => call.iterator({ destroyOnReturn: false });
    // end
    using echo = await echoServer({ handlers: leave(messages) });
    expect(await statusOf(echo.port, 15_000)).toBe(grpc.status.OK);
  });
});

describe("a cancelled upload looks complete", () => {
  test("library: an upload that its caller cancels ends like a whole one before it is cancelled", async () => {
    const events: string[] = [];
    const ClientStream = (call: grpc.ServerReadableStream<Buffer, Buffer>) => {
      call.on("data", () => events.push("data")).on("end", () => events.push("end"));
      call.on("error", () => {}).on("cancelled", () => events.push("cancelled"));
    };
    using echo = await echoServer({ handlers: { ClientStream } });
    using client = echoClient(echo.port);
    const bytes = (value: Buffer) => value;
    const call = client.client.makeClientStreamRequest("/traps.Echo/ClientStream", bytes, bytes, () => {});
    call.on("error", () => {});
    call.write(Buffer.from("half of it"));
    await vi.waitUntil(() => events.includes("data"), { timeout: 5000 });
    call.cancel();
    await vi.waitUntil(() => events.includes("cancelled"), { timeout: 5000 });
    expect(events).toEqual(["data", "end", "cancelled"]);
  });
});

describe("a server dies while it answers", () => {
  /** A server whose first call loses its connection, before the headers of the answer or after them; the next ones are answered. */
  async function dying(when: "before" | "after") {
    let calls = 0;
    const server = createServer();
    let connection: Socket | undefined;
    server.on("connection", (socket: Socket) => {
      connection = socket;
    });
    server.on("stream", (stream) => {
      calls += 1;
      stream.on("error", () => {});
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      const die = () => connection?.destroy();
      if (calls === 1 && when === "before") {
        die();
        return;
      }
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      const answer = Buffer.alloc(5);
      if (calls === 1) stream.write(answer, die);
      else stream.end(answer);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return { port, calls: () => calls, [Symbol.dispose]: () => void server.close() };
  }

  async function callOf(port: number): Promise<grpc.status> {
    using client = echoClient(port, { "grpc.service_config": retryingConfig });
    return (await client.call()).code;
  }

  test("library: a unary call whose server dies after the headers of its answer is not tried again", async () => {
    using server = await dying("after");
    expect(await callOf(server.port)).toBe(grpc.status.UNAVAILABLE);
    expect(server.calls()).toBe(1);
  });

  test("library: one whose server dies before them is", async () => {
    using server = await dying("before");
    expect(await callOf(server.port)).toBe(grpc.status.OK);
    expect(server.calls()).toBe(2);
  });
});

describe("a deadline in more than 24 days", () => {
  test("library: a deadline in 30 days is over at once, one in 24 days is not", async () => {
    const Unary: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      setTimeout(() => callback(null, call.request), 200);
    };
    using echo = await echoServer({ handlers: { Unary } });
    using client = echoClient(echo.port);
    const inDays = (days: number) => client.call({ options: { deadline: Date.now() + days * 24 * 3_600_000 } });
    expect(await inDays(24)).toMatchObject({ code: grpc.status.OK });
    expect(await inDays(30)).toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
  });
});

describe("a call has no deadline unless its caller sets one", () => {
  test("library: without a deadline the handler sees Infinity", async () => {
    using echo = await echoServer();
    using client = echoClient(echo.port);
    await client.call({ options: { deadline: Number.POSITIVE_INFINITY } });
    expect(echo.seen[0]?.deadline).toBe(Number.POSITIVE_INFINITY);
  });
});
