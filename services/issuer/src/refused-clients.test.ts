import { expect, test } from "vitest";
import { askForToken, basic } from "../test/requests.ts";
import { startIssuer } from "../test/start-issuer.ts";

test("a workload that guesses secrets is refused for a while, a right one is no exception, and others get their tokens", {
  timeout: 60_000,
}, async () => {
  await using started = await startIssuer();
  const { partnerSecret } = started;
  const ask = (secret: string) =>
    askForToken(started, { client_id: undefined }, { as: started.partner, ...basic(secret) });
  expect((await ask(partnerSecret)).status).toBe(200);
  const answers = [];
  for (let tries = 0; tries < 90; tries += 1) answers.push((await ask(`wrong-${tries}`)).status);
  const told = answers.filter((status) => status === 401).length;
  expect(told).toBeGreaterThanOrEqual(60);
  expect(told).toBeLessThan(90);
  expect(new Set(answers)).toEqual(new Set([401, 429]));
  // Some more, so that nothing is left in the moment of the right one.
  const last = await Promise.all([ask("wrong"), ask("wrong"), ask("wrong"), ask(partnerSecret)]);
  const right = last.at(-1);
  expect([right?.status, right?.headers["retry-after"]]).toEqual([429, "1"]);
  expect(right?.body).toMatchObject({ error: "temporarily_unavailable" });
  expect((await askForToken(started)).status).toBe(200);
  await expect.poll(async () => (await ask(partnerSecret)).status, { timeout: 20_000 }).toBe(200);
});
