import { promisify } from "node:util";
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { EndableCall } from "./endable-call.ts";
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

test("tells the handler once that its call was ended, and the caller why", async () => {
  const calls: EndableCall[] = [];
  const server = new Server({
    interceptors: [
      (_method, wire) => {
        const call = new EndableCall(wire, {});
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
  const server = new Server({ interceptors: [(_method, wire) => new EndableCall(wire, {})] });
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
