import type { ServerOptions } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { hardenedServerOptions } from "./grpc-options.ts";

test("an override takes a bound's place, and one that is undefined lifts none", () => {
  const careless = { "grpc.max_concurrent_streams": undefined, "grpc.max_receive_message_length": 5 };
  const options = hardenedServerOptions(careless as unknown as ServerOptions);
  expect(options["grpc.max_receive_message_length"]).toBe(5);
  expect(options["grpc.max_concurrent_streams"]).toBe(100);
});
