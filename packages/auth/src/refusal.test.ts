import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { RetryInfoSchema } from "./gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "./gen/google/rpc/status_pb.ts";
import { Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { reasonName, reasonOf, refusal, retryAfterMsOf, serverTimeOf } from "./refusal.ts";

const nowMs = 1_795_000_000_999;
const codes: Record<string, status> = {
  PEER_INVALID: status.UNAUTHENTICATED,
  CREDENTIAL_MISSING: status.UNAUTHENTICATED,
  CREDENTIAL_INVALID: status.UNAUTHENTICATED,
  CREDENTIAL_EXPIRED: status.UNAUTHENTICATED,
  CREDENTIAL_REPLAYED: status.UNAUTHENTICATED,
  CLIENT_MISMATCH: status.UNAUTHENTICATED,
  PEER_NOT_GRANTED: status.PERMISSION_DENIED,
  SCOPE_MISSING: status.PERMISSION_DENIED,
  CHECK_UNAVAILABLE: status.UNAVAILABLE,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
};
const reasons = Object.values(Reason).filter((reason) => reason !== Reason.UNSPECIFIED);

test.each(reasons.map((reason) => [reasonName(reason), reason] as const))(
  "%s has its code and survives the wire",
  (name, reason) => {
    const answer = refusal(reason, nowMs);
    expect(answer.code).toBe(codes[name]);
    expect(reasonOf(answer)).toBe(name);
    expect(answer.details).not.toBe("");
  },
);
test("tells the time to whom is outside it, and to nobody else", () => {
  expect(serverTimeOf(refusal(Reason.CREDENTIAL_EXPIRED, nowMs))).toBe(1_795_000_000);
  expect(serverTimeOf(refusal(Reason.CREDENTIAL_INVALID, nowMs))).toBeUndefined();
});
test("says when to try again where that can help", () => {
  for (const reason of reasons) {
    const [bytes] = refusal(reason, nowMs).metadata.get("grpc-status-details-bin");
    const rich = fromBinary(StatusSchema, new Uint8Array(bytes as Buffer));
    const retry = rich.details.some((detail) => anyUnpack(detail, RetryInfoSchema) !== undefined);
    expect(retry).toBe(reason === Reason.CHECK_UNAVAILABLE || reason === Reason.RATE_LIMITED);
  }
});
test("says when to try again to the millisecond, where that is known, and in a second where not", () => {
  expect(retryAfterMsOf(refusal(Reason.RATE_LIMITED, nowMs, { retryAfterMs: 1_234 }))).toBe(1_234);
  expect(retryAfterMsOf(refusal(Reason.RATE_LIMITED, nowMs, { retryAfterMs: 0 }))).toBe(0);
  expect(retryAfterMsOf(refusal(Reason.RATE_LIMITED, nowMs))).toBe(1_000);
  expect(retryAfterMsOf(refusal(Reason.CHECK_UNAVAILABLE, nowMs))).toBe(1_000);
  expect(retryAfterMsOf(refusal(Reason.SCOPE_MISSING, nowMs))).toBeUndefined();
  expect(retryAfterMsOf({})).toBeUndefined();
});
test("reads no reason out of what is not ours", () => {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from("garbage"));
  expect(reasonOf({ metadata })).toBeUndefined();
  expect(reasonOf({})).toBeUndefined();
});
test("is refused, without a word, for a reason that has no answer", () => {
  expect(refusal(99 as Reason, nowMs)).toMatchObject({ code: status.INTERNAL, details: "" });
});
