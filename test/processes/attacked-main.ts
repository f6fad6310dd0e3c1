// A ping service as a process of its own, served as every service is: what the attacks on the protocol are aimed at.
import { setTimeout as wait } from "node:timers/promises";
import { Credential, definePolicy } from "@zero-trust/auth";
import { parseGrants } from "@zero-trust/auth/server";
import { identityFromMemory } from "@zero-trust/mtls";
import { runService, serve, service } from "@zero-trust/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { answerParent, optionsOfParent } from "./asked-by-parent.ts";
import type { AttackedOptions, Figures } from "./attacked-service.ts";

/** How often the memory is looked at; a peak between two looks is missed, one that lasts is not. */
const sampleMs = 10;

const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
let handled = 0;
let running = 0;
let peakRss = 0;
let longestStallMs = 0;

await runService("ping", async (log) => {
  const options = await optionsOfParent<AttackedOptions>();
  const handlers = pingHandlers();
  const serving = await serve({
    log,
    identity: identityFromMemory(options.tls),
    host: "127.0.0.1",
    port: 0,
    protect: {
      trustDomain: "production.internal",
      grants: { current: () => parseGrants({ grants: options.grants }) },
      credentials: [],
    },
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    services: [
      service(
        PingService,
        {
          ...handlers,
          async ping(request, context) {
            if (request.text.startsWith("good")) return handlers.ping(request, context);
            handled += 1;
            running += 1;
            try {
              // As a slow store would, it heeds the signal alone.
              if (request.text === "wait") await wait(10 * 60_000, undefined, { signal: context.signal });
              return handlers.ping(request, context);
            } finally {
              running -= 1;
            }
          },
        },
        { policy: definePolicy(PingService, { ping: rules, pingMany: rules, pingSum: rules, pingEach: rules }) },
      ),
    ],
  });
  watch();
  answerParent(() => figures(serving.port));
  return serving;
});

function watch(): void {
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    longestStallMs = Math.max(longestStallMs, now - last - sampleMs);
    last = now;
    peakRss = Math.max(peakRss, process.memoryUsage.rss());
  }, sampleMs).unref();
}

/** The figures since they were asked for last. */
function figures(port: number): Figures {
  const rss = process.memoryUsage.rss();
  const since = {
    port,
    pid: process.pid,
    rss,
    peakRss: Math.max(peakRss, rss),
    longestStallMs,
    handled,
    running,
    inheritedNames: enumerableNames({}),
  };
  peakRss = 0;
  longestStallMs = 0;
  handled = 0;
  return since;
}

/** What an empty object seems to have: nothing, unless its prototype was written to. */
function enumerableNames(empty: object): readonly string[] {
  const names: string[] = [];
  // Inherited ones too, which Object.keys() would not tell.
  for (const name in empty) names.push(name);
  return names;
}
