// A server or load balancer that turns a stream away unprocessed: grpc-js sends the call again by itself, whatever the
// method, and each attempt is signed anew.
import { expect, test } from "vitest";
import { type FateOf, goAway, refuseStream, startFront } from "../attacks/front.ts";
import { idOf, type SignedService, signedCalls, startSignedService } from "./signed-service.ts";

/** Nothing may be tried again but what nobody has processed. */
const noRetries = JSON.stringify({ methodConfig: [] });

async function frontOf({ ca, partner, port }: SignedService, fateOf: FateOf) {
  return await startFront({
    server: await ca.issue({ spiffeId: idOf("ping-service") }),
    client: partner,
    port,
    fateOf,
  });
}

test.each(signedCalls)(
  "H13: a call (%s) that a GOAWAY has passed over is served once, and is no replay",
  async (_kind, call) => {
    await using service = await startSignedService();
    await using front = await frontOf(service, (stream, number) => (number === 2 ? goAway(stream) : "passed on"));
    const client = service.client({ target: front.target, serviceConfig: noRetries });
    expect([await call(client), await call(client)]).toEqual(["hello", "hello"]);
    expect([service.handled(), service.effects(), front.sessions()]).toEqual([2, 2, 2]);
    expect([front.nonces.length, new Set(front.nonces).size]).toEqual([3, 3]);
    expect(service.attempts.map(({ nonce }) => nonce)).toEqual([front.nonces[0], front.nonces[2]]);
    expect(service.decisions.map(({ outcome }) => outcome)).toEqual(["allowed", "allowed"]);
  },
);

test.each(signedCalls)(
  "H13: a call (%s) whose stream was refused is served once, and is no replay",
  async (_kind, call) => {
    await using service = await startSignedService();
    await using front = await frontOf(service, (stream, number) => (number === 1 ? refuseStream(stream) : "passed on"));
    const client = service.client({ target: front.target, serviceConfig: noRetries });
    expect(await call(client)).toBe("hello");
    expect([service.handled(), service.effects()]).toEqual([1, 1]);
    expect([front.nonces.length, new Set(front.nonces).size]).toEqual([2, 2]);
    expect(service.attempts.map(({ nonce }) => nonce)).toEqual([front.nonces[1]]);
    expect(service.decisions.map(({ outcome }) => outcome)).toEqual(["allowed"]);
  },
);

test.each(signedCalls)(
  "H13: a call (%s) that is turned away, and then refused for its clock, is served once",
  async (_kind, call) => {
    await using service = await startSignedService();
    await using front = await frontOf(service, (stream, number) =>
      number % 2 === 1 ? refuseStream(stream) : "passed on",
    );
    const now = () => Date.now() - 360_000;
    expect(await call(service.client({ target: front.target, serviceConfig: noRetries, now }))).toBe("hello");
    // Turned away, refused; turned away, served: each of our two attempts has a transparent one of grpc-js.
    expect([front.nonces.length, new Set(front.nonces).size]).toEqual([4, 4]);
    expect([service.handled(), service.effects()]).toEqual([1, 1]);
    expect(service.decisions.map(({ outcome, reason }) => reason ?? outcome)).toEqual([
      "CREDENTIAL_EXPIRED",
      "allowed",
    ]);
  },
);
