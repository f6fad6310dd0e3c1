import { expect, test } from "vitest";
import { grpcTarget } from "./grpc-target.ts";

test.each([
  ["payment.production.internal:50051", "payment.production.internal:50051"],
  [["payment.production.internal:50051"], "payment.production.internal:50051"],
  [["127.0.0.1:1", "127.0.0.1:2"], "ipv4:127.0.0.1:1,127.0.0.1:2"],
  [["[::1]:1", "[::1]:2"], "ipv6:[::1]:1,[::1]:2"],
])("%j is %s for grpc-js", (addresses, target) => {
  expect(grpcTarget(addresses)).toBe(target);
});

test.each([
  [[], "needs an address"],
  [["127.0.0.1:1", "[::1]:1"], "of one family"],
  [["127.0.0.1:1", "payment.production.internal:1"], "of one family"],
])("%j is refused", (addresses, sentence) => {
  expect(() => grpcTarget(addresses)).toThrow(sentence);
});
