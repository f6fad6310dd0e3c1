// What our own client does to our own server when that is in trouble: a second attempt is no replay, and no second effect.
import { status } from "@grpc/grpc-js";
import { RpcError } from "@zero-trust/rpc";
import { expect, test } from "vitest";
import { newSecret, pingOnce, signedCalls, startSignedService } from "./signed-service.ts";

/** Fails as told before it serves. */
const failing = (...failures: readonly status[]) =>
  startSignedService((attempt) => {
    const code = failures[attempt - 1];
    if (code !== undefined) throw new RpcError(code, "Not now.");
  });

const noncesOf = (attempts: readonly { readonly nonce: string }[]) => new Set(attempts.map(({ nonce }) => nonce));

test.each(signedCalls)(
  "H13: a signed call (%s) that is tried again is served once, and is no replay",
  async (_kind, call) => {
    await using service = await failing(status.UNAVAILABLE, status.UNAVAILABLE);
    expect(await call(service.client())).toBe("hello");
    expect([service.handled(), service.effects()]).toEqual([3, 1]);
    expect(service.decisions.map(({ outcome }) => outcome)).toEqual(["allowed", "allowed", "allowed"]);
    expect(noncesOf(service.attempts).size).toBe(3);
  },
);

test.each([status.UNAUTHENTICATED, status.PERMISSION_DENIED])(
  "H13: a signed call that a handler refuses (%s) is made once",
  async (code) => {
    await using service = await failing(code);
    await expect(pingOnce(service.client())).rejects.toMatchObject({ code });
    expect([service.handled(), service.effects(), service.attempts.length]).toEqual([1, 0, 1]);
  },
);

test.each(signedCalls)(
  "H13: a call (%s) with a wrong signature is made once, and uses up no nonce",
  async (_kind, call) => {
    await using service = await startSignedService();
    await expect(call(service.client({ secret: newSecret() }))).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    expect(service.decisions).toMatchObject([{ outcome: "refused", reason: "CREDENTIAL_INVALID" }]);
    expect([service.handled(), service.claims(), service.attempts.length]).toEqual([0, 0, 1]);
  },
);

test.each(signedCalls)(
  "H13: a call (%s) that is refused for its clock is served once, and is no replay",
  async (_kind, call) => {
    await using service = await failing(status.UNAVAILABLE);
    expect(await call(service.client({ now: () => Date.now() - 360_000 }))).toBe("hello");
    expect([service.handled(), service.effects()]).toEqual([2, 1]);
    // Our own second attempt, and then that of grpc-js.
    expect(service.decisions.map(({ outcome, reason }) => reason ?? outcome)).toEqual([
      "CREDENTIAL_EXPIRED",
      "allowed",
      "allowed",
    ]);
    expect(noncesOf(service.attempts).size).toBe(3);
  },
);
