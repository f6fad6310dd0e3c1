import { once } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { clientTls } from "./tls-credentials.ts";

describe("time-outs at once look like an attack", () => {
  const CALLS = 1500;
  // On a machine that does much else.
  const timeout = 60_000;

  interface Waiting {
    readonly handlers: grpc.UntypedServiceImplementation;
    /** How many calls wait for an answer that never comes. */
    readonly begun: () => number;
    readonly cancelled: () => number;
  }

  function waiting(): Waiting {
    let begun = 0;
    let cancelled = 0;
    const Unary = (call: grpc.ServerUnaryCall<Buffer, Buffer>) => {
      begun += 1;
      call.on("cancelled", () => {
        cancelled += 1;
      });
    };
    return { handlers: { Unary }, begun: () => begun, cancelled: () => cancelled };
  }

  /** Keeps one call open while 1,500 others on its connection are given up at once, and says how it ended. */
  async function giveUp(
    port: number,
    begun: () => number,
    credentials?: grpc.ChannelCredentials,
  ): Promise<grpc.status> {
    using client = echoClient(port, {
      ...(credentials === undefined ? {} : { credentials }),
      "grpc.ssl_target_name_override": "payment.production.internal",
      "grpc.use_local_subchannel_pool": 1,
    });
    const bidi = client.bidi();
    bidi.on("error", () => {});
    const status = new Promise<grpc.StatusObject>((resolve) => bidi.once("status", resolve));
    bidi.write(Buffer.from("still there?"));
    await once(bidi, "data");
    const controller = new AbortController();
    const calls = Array.from({ length: CALLS }, () => client.call({ options: {}, signal: controller.signal }));
    await vi.waitUntil(() => begun() === CALLS, { timeout: 15_000 });
    controller.abort();
    await Promise.all(calls);
    bidi.end();
    bidi.resume();
    return (await status).code;
  }

  test("library: a call that times out is reset by its client, as one that is cancelled", async () => {
    const { handlers, begun, cancelled } = waiting();
    using echo = await echoServer({ handlers });
    using client = echoClient(echo.port);
    const call = client.call({ options: { deadline: Date.now() + 500 } });
    await vi.waitUntil(() => begun() === 1, { timeout: 5000 });
    expect(await call).toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
    await vi.waitUntil(() => cancelled() === 1, { timeout: 5000 });
  });

  test("library: 1,500 calls that are given up at once break the other calls on their connection", {
    timeout,
  }, async () => {
    const { handlers, begun } = waiting();
    using echo = await echoServer({ handlers });
    expect(await giveUp(echo.port, begun)).not.toBe(grpc.status.OK);
  });

  test("library: with streamResetBurst and streamResetRate they do not", { timeout }, async () => {
    const { handlers, begun } = waiting();
    const ca = await createCa();
    const { cert, key } = await ca.issue({ spiffeId: "spiffe://production.internal/payment" });
    const caller = await ca.issue({ spiffeId: "spiffe://production.internal/order" });
    const material = { ca: ca.ca, cert, key };
    // page: reset-burst
    class PatientCredentials extends grpc.ServerCredentials {
      constructor() {
        super({ requestCert: true, streamResetBurst: 10_000, streamResetRate: 1000 }, material);
      }
      override _equals(other: grpc.ServerCredentials): boolean {
        return this === other;
      }
    }
    // end
    using echo = await echoServer({ credentials: new PatientCredentials(), handlers });
    expect(await giveUp(echo.port, begun, clientTls(caller))).toBe(grpc.status.OK);
  });
});
