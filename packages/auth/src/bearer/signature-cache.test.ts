import { expect, test } from "vitest";
import { SignatureCache } from "./signature-cache.ts";

test("B17 looking for a token that is not there leaves nothing behind", () => {
  const cache = new SignatureCache(2);
  for (let index = 0; index < 10; index += 1) expect(cache.find(`garbage ${index}`)).toBeUndefined();
  expect(cache.size).toBe(0);
});
