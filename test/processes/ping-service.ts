// A service to be stopped under load: every answer takes as long as it is asked to, and what it has handled is counted.
import { setTimeout } from "node:timers/promises";
import { Credential, definePolicy } from "@zero-trust/auth";
import { grantsFile } from "@zero-trust/auth/stores/file";
import { identityFromDirectory } from "@zero-trust/mtls";
import { port, readConfig, runService, serve, service, text } from "@zero-trust/server";
import { PingService } from "@zero-trust/testkit";
import { z } from "zod";

const byGrant = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policy = definePolicy(PingService, { ping: byGrant, pingMany: byGrant, pingSum: byGrant, pingEach: byGrant });
const beatMs = 10;

await runService("ping", async (log) => {
  const config = readConfig(z.object({ ZT_PORT: port, ZT_TLS_DIR: text, ZT_GRANTS_FILE: text }));
  let handled = 0;
  const serving = await serve({
    log,
    identity: identityFromDirectory(config.ZT_TLS_DIR),
    host: "127.0.0.1",
    port: config.ZT_PORT,
    protect: { trustDomain: "production.internal", grants: grantsFile(config.ZT_GRANTS_FILE), credentials: [] },
    services: [
      service(
        PingService,
        {
          async ping({ text: waitMs }) {
            handled += 1;
            await setTimeout(Number(waitMs));
            return { text: waitMs };
          },
          async *pingMany({ count }) {
            handled += 1;
            for (let index = 0; index < count; index += 1) {
              await setTimeout(beatMs);
              yield { index };
            }
          },
          async pingSum(requests) {
            handled += 1;
            let count = 0;
            for await (const { value } of requests) count += value > 0 ? 1 : 0;
            return { count };
          },
          async *pingEach(requests) {
            handled += 1;
            for await (const { text: echo } of requests) yield { text: echo };
          },
        },
        { policy },
      ),
    ],
  });
  return {
    async close() {
      await serving.close();
      log.info({ handled }, "handled");
    },
  };
});
