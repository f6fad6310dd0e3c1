import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { effectiveMs } from "../attacks/becomes.ts";
import type { Fleet } from "./fleet.ts";
import { isWhole, MeasuringTable } from "./measured.ts";
import { takeBack, takings } from "./revocations.ts";
import { canStartFleet, startFleet } from "./start.ts";

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

const isCertificate = ({ what }: { readonly what: string }) => what.startsWith("a certificate");

/** Every one of them: `pnpm test:fleet`. */
const some = new Set([
  "a signing key",
  "a token, by its client at the issuer",
  "a certificate that is not in use any more",
]);

describe.runIf(canStartFleet)("within 30 s, at every replica, calls are refused and streams are ended", () => {
  let fleet: Fleet;
  const table = new MeasuringTable("revocation", [
    "what is taken back",
    "at",
    "replicas",
    "new call refused after",
    "stream ended after",
  ]);
  beforeAll(async () => {
    fleet = await startFleet();
  }, 300_000);
  afterAll(async () => {
    table.close();
    await fleet?.[Symbol.asyncDispose]();
  });

  test.each(takings.filter(({ what }) => isWhole || some.has(what)))(
    "when $what is taken back",
    { timeout: 180_000 },
    async (taking) => {
      const all = await takeBack(fleet, taking);
      for (const figures of all) {
        const { what, service, replicas, newCallMs, streamMs } = figures;
        table.add(
          what,
          service,
          replicas,
          seconds(newCallMs),
          streamMs === undefined ? "no stream takes it" : seconds(streamMs),
        );
        expect(figures.newCallMs).toBeLessThan(effectiveMs);
        expect(figures.streamMs ?? 0).toBeLessThan(effectiveMs);
        // A certificate that is revoked connects to nobody, which its caller cannot tell from a server that is down.
        const refusals = isCertificate(taking)
          ? ["UNAUTHENTICATED", "UNAVAILABLE"]
          : ["UNAUTHENTICATED", "PERMISSION_DENIED"];
        for (const status of figures.statuses) expect(refusals).toContain(status.split(" ")[0]);
      }
      expect(all.length).toBeGreaterThan(0);
    },
  );
});
