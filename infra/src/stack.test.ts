import { existsSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { connect, hmac } from "@zero-trust/auth/client";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { describe, test } from "vitest";
import { channelsTo } from "./callers.ts";
import { newStackFolder, startStack } from "./stack.ts";

describe.concurrent("a stack", () => {
  test("takes signed requests as soon as it has started, and leaves nothing", async ({ expect }) => {
    const folder = newStackFolder("ready");
    {
      await using stack = await startStack(folder);
      using opened = new DisposableStack();
      const channels = opened.adopt(channelsTo(stack, "storefront", "payment"), (them) => them.close());
      const { id: keyId, secret } = stack.deployment.signing.storefront;
      const payments = createClient(PaymentService, connect({ channels, credentials: [hmac({ keyId, secret })] }));
      const paymentId = `pay_${"0".repeat(32)}`;
      // It has looked for the payment: a store of nonces that is not ready would be UNAVAILABLE.
      await expect(payments.getPayment({ paymentId })).rejects.toMatchObject({ code: status.NOT_FOUND });
    }
    expect(existsSync(folder)).toBe(false);
  });

  test("that is not to start any more removes what it has written", async ({ expect }) => {
    const folder = newStackFolder("aborted");
    await expect(startStack(folder, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    expect(existsSync(folder)).toBe(false);
  });
});
