import { promisify } from "node:util";
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerInterceptingCallInterface,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { isCollected } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { EndableCall, type Judge } from "./endable-call.ts";
import { Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { reasonOf, refusal } from "./refusal.ts";

const path = "/test.Chat/Chat";
const bytes = (value: Buffer): Buffer => value;
const chat = {
  Chat: {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
} as const;

/** A call of which the handler hears all, as it comes. */
function openCall(wire: ServerInterceptingCallInterface): EndableCall {
  const call: EndableCall = new EndableCall(wire, {
    onMetadata: (metadata) => call.handOnMetadata(metadata),
    onMessage: (message) => call.handOnMessage(message),
    onHalfClose: () => call.handOnHalfClose(),
    onEnd: () => undefined,
  });
  return call;
}

test("tells the handler once that its call was ended, and the caller why", async () => {
  const calls: EndableCall[] = [];
  const server = new Server({
    interceptors: [
      (_method, wire) => {
        const call = openCall(wire);
        calls.push(call);
        return call;
      },
    ],
  });
  const running = Promise.withResolvers<ServerDuplexStream<Buffer, Buffer>>();
  server.addService(chat, { Chat: (call: ServerDuplexStream<Buffer, Buffer>) => running.resolve(call) });
  const port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", ServerCredentials.createInsecure());
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(path, bytes, bytes);
  const ended = new Promise<number>((resolve) => {
    call.on("error", (error: Error & { readonly code: number }) => resolve(error.code));
  });
  let heard = 0;
  (await running.promise).on("cancelled", () => {
    heard += 1;
  });
  calls[0]?.end({ code: status.UNAUTHENTICATED, details: "gone" });
  expect(heard).toBe(1);
  expect(await ended).toBe(status.UNAUTHENTICATED);
  client.close();
  // All that grpc-js has to say of the call has been said when its connection is closed.
  await promisify(server.tryShutdown.bind(server))();
  expect(heard).toBe(1);
});

test("a refusal that a handler passes on from a call of its own is none of this call", async () => {
  const server = new Server({ interceptors: [(_method, wire) => openCall(wire)] });
  const passedOn = refusal(Reason.CREDENTIAL_INVALID, 0);
  passedOn.metadata.set("x-trailer", "kept");
  server.addService(chat, { Chat: (call: ServerDuplexStream<Buffer, Buffer>) => call.emit("error", passedOn) });
  const port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", ServerCredentials.createInsecure());
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(path, bytes, bytes);
  const error = await new Promise<ServiceError>((resolve) => call.on("error", resolve));
  expect(error).toMatchObject({ code: status.UNAUTHENTICATED, details: passedOn.details });
  expect(reasonOf(error)).toBeUndefined();
  expect(error.metadata.get("x-trailer")).toEqual(["kept"]);
  client.close();
  await promisify(server.tryShutdown.bind(server))();
});

/** Outside of the function that uses it, of which it would hold all. */
const wire = { start: () => undefined, sendStatus: () => undefined } as unknown as ServerInterceptingCallInterface;

/** A call on a wire of the test's own. */
function callOf(judge: Judge) {
  const call = new EndableCall(wire, judge);
  const heard: string[] = [];
  call.start({
    onReceiveMetadata: () => void heard.push("metadata"),
    onReceiveMessage: () => void heard.push("message"),
    onReceiveHalfClose: () => void heard.push("half-close"),
    onCancel: () => void heard.push("cancel"),
  });
  return { call, heard };
}

const silent: Judge = {
  onMetadata: () => undefined,
  onMessage: () => undefined,
  onHalfClose: () => undefined,
  onEnd: () => undefined,
};

test("a handler hears nothing more once its call is over", () => {
  const { call, heard } = callOf(silent);
  const handOnAll = () => {
    call.handOnMetadata(new Metadata());
    call.handOnMessage("late");
    call.handOnHalfClose();
  };
  call.handOnMetadata(new Metadata());
  call.end({ code: status.UNAUTHENTICATED, details: "" });
  // Its stream is still open, and brings what was under way.
  handOnAll();
  call.onCancel();
  handOnAll();
  call.onCancel();
  expect(heard).toEqual(["metadata", "cancel"]);
});

test("a call that is over lets go of its judge and of its handler, also while something still holds the call", async () => {
  let ends = 0;
  const judgedAndHandled = (): [EndableCall, WeakRef<Judge>, WeakRef<object>] => {
    const judge: Judge = {
      ...silent,
      onEnd: () => {
        ends += 1;
      },
    };
    const { call, heard } = callOf(judge);
    return [call, new WeakRef(judge), new WeakRef(heard)];
  };
  const [call, judge, heard] = judgedAndHandled();
  expect([await isCollected(judge), await isCollected(heard)]).toEqual([false, false]);
  call.onCancel();
  expect(ends).toBe(1);
  await expect.poll(() => isCollected(judge)).toBe(true);
  await expect.poll(() => isCollected(heard)).toBe(true);
  expect(call).toBeInstanceOf(EndableCall);
});
