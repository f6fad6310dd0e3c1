import { expect, test } from "vitest";
import { startIssuer } from "../test/start-issuer.ts";

test("a database that does not answer makes the issuer unhealthy, until it does", async () => {
  await using started = await startIssuer({ refreshMs: 50 });
  const health = async () => (await started.ask({ as: started.storefront, method: "GET", path: "/healthz" })).status;
  await expect.poll(health, { timeout: 10_000 }).toBe(204);
  const held = Promise.withResolvers<void>();
  const holding = started.db.transaction().execute(() => held.promise);
  await expect.poll(health, { timeout: 10_000 }).toBe(503);
  held.resolve();
  await holding;
  await expect.poll(health, { timeout: 10_000 }).toBe(204);
});

test("a database that is gone is complained about once", async () => {
  await using started = await startIssuer();
  await started.db.destroy();
  await started.refresh();
  await started.refresh();
  expect(started.lines.filter((line) => line.includes("the database cannot be used"))).toHaveLength(1);
});
