import { expect, test } from "vitest";
import { hardenedServerOptions } from "./grpc-options.ts";

test("an override takes a bound's place, and one that is undefined lifts none", () => {
  const options = hardenedServerOptions({ "grpc.max_receive_message_length": 5 });
  expect(options["grpc.max_receive_message_length"]).toBe(5);
  // As a caller in JavaScript may write it.
  const undefinedOne = JSON.parse("{}") as { missing?: number };
  const lifted = Object.assign({}, { "grpc.max_concurrent_streams": undefinedOne.missing });
  expect(hardenedServerOptions(lifted as object)["grpc.max_concurrent_streams"]).toBe(100);
});
