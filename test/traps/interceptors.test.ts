import { randomUUID } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { echoClient } from "./echo-client.ts";
import { echoDefinition, echoServer } from "./echo-server.ts";
import { retryingConfig } from "./retrying-config.ts";

const { Unary: unary } = echoDefinition;

describe("calls to unregistered methods pass no interceptor", () => {
  test("library: a call to an unregistered method passes no interceptor, and is answered with its path", async () => {
    const paths: string[] = [];
    const watch: grpc.ServerInterceptor = (method, call) => {
      paths.push(method.path);
      return new grpc.ServerInterceptingCall(call);
    };
    using echo = await echoServer({ options: { interceptors: [watch] } });
    using client = echoClient(echo.port);
    const answer = await new Promise<grpc.ServiceError | null>((resolve) => {
      const { requestSerialize, responseDeserialize } = unary;
      client.client.makeUnaryRequest("/traps.Echo/Nope", requestSerialize, responseDeserialize, Buffer.of(), resolve);
    });
    expect(answer).toMatchObject({ code: grpc.status.UNIMPLEMENTED });
    expect(answer?.details).toContain("/traps.Echo/Nope");
    await client.call();
    expect(paths).toEqual(["/traps.Echo/Unary"]);
  });
});

describe("bytes are decoded before an interceptor sees them", () => {
  test("library: a message is decoded before a server interceptor sees it, whatever it does to the method", async () => {
    const order: string[] = [];
    const judge: grpc.ServerInterceptor = (method, call) => {
      Reflect.set(method, "requestDeserialize", () => order.push("the interceptor's deserializer"));
      return new grpc.ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMessage(_message, _next) {
              order.push("judged");
              call.sendStatus({ code: grpc.status.UNAUTHENTICATED, details: "No." });
            },
          }),
      });
    };
    using echo = await echoServer({ options: { interceptors: [judge] } });
    echo.server.removeService({ Unary: unary });
    const requestDeserialize = (bytes: Buffer) => {
      order.push("decoded");
      return bytes;
    };
    echo.server.addService({ Unary: { ...unary, requestDeserialize } }, { Unary: () => order.push("handled") });
    using client = echoClient(echo.port);
    expect(await client.call()).toMatchObject({ code: grpc.status.UNAUTHENTICATED });
    expect(order).toEqual(["decoded", "judged"]);
  });

  test("library: a service whose deserializer hands the bytes on lets a server interceptor judge them first", async () => {
    const decode = (bytes: Buffer) => bytes.toString();
    const good = (bytes: Buffer) => bytes.equals(Buffer.from("good"));
    const handled: string[] = [];
    // page: wire-bytes
    const method = { ...unary, requestDeserialize: (bytes: Buffer) => bytes };
    const judge: grpc.ServerInterceptor = (_method, call) =>
      new grpc.ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMessage(message: Buffer, nextMessage) {
              if (good(message)) nextMessage(decode(message));
              else call.sendStatus({ code: grpc.status.UNAUTHENTICATED, details: "No." });
            },
          }),
      });
    // end
    using echo = await echoServer({ options: { interceptors: [judge] } });
    echo.server.removeService({ Unary: unary });
    const handler: grpc.handleUnaryCall<unknown, Buffer> = ({ request }, callback) => {
      handled.push(String(request));
      callback(null, Buffer.of());
    };
    echo.server.addService({ Unary: method }, { Unary: handler });
    using client = echoClient(echo.port);
    expect(await client.call({ message: "bad" })).toMatchObject({ code: grpc.status.UNAUTHENTICATED });
    expect(await client.call({ message: "good" })).toMatchObject({ code: grpc.status.OK });
    expect(handled).toEqual(["good"]);
  });

  test("library: a client interceptor that hands on another serializer is ignored", async () => {
    const signing: grpc.Interceptor = (options, nextCall) => {
      const requestSerialize = () => Buffer.from("signed");
      const { method_definition: definition } = options;
      return new grpc.InterceptingCall(
        nextCall({ ...options, method_definition: { ...definition, requestSerialize } }),
      );
    };
    using echo = await echoServer();
    using client = echoClient(echo.port, { interceptors: [signing] });
    expect(await client.call()).toEqual({ code: grpc.status.OK, text: "hello" });
  });
});

describe("an interceptor runs once a call, and a call may be several attempts", () => {
  test("library: a retry sends an interceptor's metadata again, while a metadata generator runs for each attempt", async () => {
    const metadata: grpc.Metadata[] = [];
    const failOnce: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      metadata.push(call.metadata);
      if (metadata.length === 1) callback({ code: grpc.status.UNAVAILABLE });
      else callback(null, call.request);
    };
    using echo = await echoServer({ handlers: { Unary: failOnce } });
    const perCall: grpc.Interceptor = (options, nextCall) =>
      new grpc.InterceptingCall(nextCall(options), {
        start(sent, listener, next) {
          sent.set("x-nonce-of-interceptor", randomUUID());
          next(sent, listener);
        },
      });
    // page: per-attempt
    const perAttempt: grpc.Interceptor = (options, nextCall) => {
      const credentials = grpc.credentials.createFromMetadataGenerator((_options, callback) => {
        const fresh = new grpc.Metadata();
        fresh.set("x-nonce", randomUUID());
        callback(null, fresh);
      });
      return new grpc.InterceptingCall(nextCall({ ...options, credentials }));
    };
    // end
    using client = echoClient(echo.port, {
      interceptors: [perCall, perAttempt],
      "grpc.service_config": retryingConfig,
    });
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
    expect(metadata).toHaveLength(2);
    const values = (key: string) => new Set(metadata.flatMap((each) => each.get(key)));
    expect(values("x-nonce-of-interceptor").size).toBe(1);
    expect(values("x-nonce").size).toBe(2);
  });
});

describe("an asynchronous start loses what sendMessage changed", () => {
  const changing = (wait: (go: () => void) => void): grpc.Interceptor => {
    return (options, nextCall) =>
      new grpc.InterceptingCall(nextCall(options), {
        start: (metadata, listener, next) => wait(() => next(metadata, listener)),
        sendMessage: (message, next) => next(Buffer.from(`changed ${message}`)),
      });
  };

  test("library: an interceptor whose start is asynchronous sends the message as it was before sendMessage", async () => {
    using echo = await echoServer();
    using immediate = echoClient(echo.port, { interceptors: [changing((go) => go())] });
    expect((await immediate.call()).text).toBe("changed hello");
    using later = echoClient(echo.port, { interceptors: [changing((go) => setImmediate(go))] });
    expect((await later.call()).text).toBe("hello");
  });
});

describe("interceptors run in an order that differs by side and by hook", () => {
  test("library: element 0 of the server's interceptors is nearest the wire, and its start runs last", async () => {
    const order: string[] = [];
    const tell = (name: string): grpc.ServerInterceptor => {
      return (_method, call) =>
        new grpc.ServerInterceptingCall(call, {
          start: (next) => {
            order.push(`start ${name}`);
            next({
              onReceiveMetadata(metadata, nextMetadata) {
                order.push(`metadata ${name}`);
                nextMetadata(metadata);
              },
            });
          },
          sendStatus: (status, next) => {
            order.push(`status ${name}`);
            next(status);
          },
        });
    };
    using echo = await echoServer({ options: { interceptors: [tell("0"), tell("1")] } });
    using client = echoClient(echo.port);
    await client.call();
    expect(order).toEqual(["start 1", "start 0", "metadata 0", "metadata 1", "status 1", "status 0"]);
  });

  test("library: element 0 of the client's interceptors is nearest the caller", async () => {
    const order: string[] = [];
    const tell = (name: string): grpc.Interceptor => {
      return (options, nextCall) =>
        new grpc.InterceptingCall(nextCall(options), {
          start(metadata, listener, next) {
            order.push(`start ${name}`);
            next(metadata, {
              onReceiveMetadata(received, nextMetadata) {
                order.push(`metadata ${name}`);
                nextMetadata(received);
              },
            });
            void listener;
          },
        });
    };
    using echo = await echoServer();
    using client = echoClient(echo.port, { interceptors: [tell("0"), tell("1")] });
    await client.call();
    expect(order).toEqual(["start 0", "start 1", "metadata 1", "metadata 0"]);
  });
});

describe("metadata keeps its identity from interceptor to handler", () => {
  test("library: the handler's call.metadata is the very object that the last interceptor handed on", async () => {
    // page: identity-by-metadata
    const clients = new WeakMap<grpc.Metadata, string>();
    const identify: grpc.ServerInterceptor = (_method, call) =>
      new grpc.ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata(metadata, nextMetadata) {
              clients.set(metadata, "order-service");
              nextMetadata(metadata);
            },
          }),
      });
    // end
    using echo = await echoServer({ options: { interceptors: [identify] } });
    using client = echoClient(echo.port);
    await client.call({ metadata: { client: "forged" } });
    const [call] = echo.seen;
    expect(call && clients.get(call.metadata)).toBe("order-service");
    expect(call && clients.has(call.metadata.clone())).toBe(false);
  });
});
