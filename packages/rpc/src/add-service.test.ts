import { type Metadata, Server, status } from "@grpc/grpc-js";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { sendBytes, startPing } from "../test/ping-server.ts";
import { addService } from "./add-service.ts";

test("refuses a service without a handler for every method, and names the method", () => {
  const { ping: _, ...rest } = pingHandlers();
  // @ts-expect-error the type forbids it too
  expect(() => addService(new Server(), PingService, rest)).toThrow(
    new TypeError('No handler for /zerotrust.testkit.v1.PingService/Ping: add a function named "ping".'),
  );
});

test("calls handlers as methods of their object", async () => {
  const handlers = {
    ...pingHandlers<Metadata>(),
    text: "kept",
    ping(): { text: string } {
      return { text: this.text };
    },
  };
  await using server = await startPing(handlers);
  expect(await server.client.ping({})).toMatchObject({ text: "kept" });
});

test("answers the caller even if the report of a failure fails", async () => {
  await using server = await startPing(
    {
      ping: () => {
        throw new Error("password=hunter2");
      },
    },
    {
      onError: () => {
        throw new Error("disk full");
      },
    },
  );
  expect(await sendBytes(server.raw, "Ping", Buffer.alloc(0))).toMatchObject({ code: status.INTERNAL, details: "" });
});
