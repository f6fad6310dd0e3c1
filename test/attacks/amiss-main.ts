// Serves as every service does, with something amiss in who may call what: the argument says what.
import { apiKey, bearer, hmac, memoryNonceStore } from "@zero-trust/auth/server";
import { identityFromMemory } from "@zero-trust/mtls";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { runService, serve, service } from "@zero-trust/server";
import { createCa, PingService, pingHandlers } from "@zero-trust/testkit";

const [, , amiss = ""] = process.argv;
const audience = "https://payment.production.internal";
const noKeys = { find: () => undefined };
const tokenKeys = { find: async () => undefined, holds: () => false, isReady: () => true, close: () => undefined };
const verifiers = {
  API_KEY: apiKey({ keys: noKeys, audience }),
  BEARER: bearer({ issuer: "https://issuer.production.internal", audience, keys: tokenKeys }),
  HMAC: hmac({ keys: noKeys, nonces: memoryNonceStore(), audience }),
};

// Nobody gets to call one.
const handlers = Object.fromEntries(PaymentService.methods.map(({ localName }) => [localName, () => undefined]));

await runService("payment", async (log) => {
  const ca = await createCa();
  return await serve({
    log,
    identity: identityFromMemory(await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" })),
    host: "127.0.0.1",
    port: 0,
    protect: {
      trustDomain: "production.internal",
      grants: { current: () => new Map() },
      credentials: Object.entries(verifiers)
        .filter(([credential]) => amiss !== `no ${credential}`)
        .map(([, verifier]) => verifier),
    },
    services: [
      // Ping has no policy in its .proto.
      amiss === "no policy" ? service(PingService, pingHandlers()) : service(PaymentService, handlers as never),
    ],
  });
});
