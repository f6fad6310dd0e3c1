import { expect, test } from "vitest";
import { apiKey } from "./client.ts";
import { newApiKey } from "./format.ts";

const newKey = () => newApiKey("live").key;
const shown = async (presenter: ReturnType<typeof apiKey>) =>
  (await presenter.present({ path: "/ping.v1.Ping/Say", message: async () => new Uint8Array() }))["x-api-key"];

test("a key that changes is shown from the next attempt on", async () => {
  const [old, fresh] = [newKey(), newKey()];
  let current = old;
  const presenter = apiKey({ key: () => current });
  expect(await shown(presenter)).toBe(old.expose());
  current = fresh;
  expect(await shown(presenter)).toBe(fresh.expose());
});

test("refuses a malformed key at once, and one that becomes so when it is used; neither is repeated", async () => {
  expect(() => apiKey({ key: () => "hunter2" })).toThrow(TypeError);
  let current: string | ReturnType<typeof newKey> = newKey();
  const presenter = apiKey({ key: () => current });
  current = "sk-oops";
  const refused = await shown(presenter).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TypeError);
  expect(String(refused)).not.toContain("oops");
});
