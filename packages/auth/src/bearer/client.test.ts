import { describe, expect, test } from "vitest";
import { bearer } from "./client.ts";

describe("bearer", () => {
  test.each([
    ["CREDENTIAL_INVALID", true],
    ["CREDENTIAL_EXPIRED", true],
    [undefined, true],
    ["CREDENTIAL_MISSING", false],
    ["CREDENTIAL_REPLAYED", false],
    ["CLIENT_MISMATCH", false],
    ["PEER_INVALID", false],
  ])("tells its source of a refusal that a token can cause: %s, %s", (reason, isTold) => {
    const told: string[] = [];
    const refused = (token: string) => {
      told.push(token);
      return true;
    };
    const presenter = bearer({ tokens: { token: async () => "a.b.c", refused } });
    const presented = { authorization: "Bearer a.b.c" };
    expect(presenter.refused?.({ reason, serverTimeSeconds: undefined, presented })).toBe(isTold);
    expect(told).toEqual(isTold ? ["a.b.c"] : []);
  });
  test.each([undefined, null, "", "a b", "a\n"])("sends nothing where its source gives %j", async (token) => {
    const presenter = bearer({ tokens: { token: async () => token as string } });
    const attempt = { path: "/a.B/C", message: async () => new Uint8Array() };
    await expect(presenter.present(attempt)).rejects.toThrow("The source of tokens gave something that is none.");
  });
  test("looks at each token, also after a good one", async () => {
    const given = ["a.b.c", "a.b.c", "a b"];
    const presenter = bearer({ tokens: { token: async () => given.shift() ?? "" } });
    const attempt = { path: "/a.B/C", message: async () => new Uint8Array() };
    for (let time = 0; time < 2; time += 1) {
      expect(await presenter.present(attempt)).toEqual({ authorization: "Bearer a.b.c" });
    }
    await expect(presenter.present(attempt)).rejects.toThrow("The source of tokens gave something that is none.");
  });
  test("has nothing else to present where its source has no more to say", () => {
    const presenter = bearer({ tokens: { token: async () => "a.b.c" } });
    const presented = { authorization: "Bearer a.b.c" };
    const reason = "CREDENTIAL_EXPIRED";
    expect(presenter.refused?.({ reason, serverTimeSeconds: undefined, presented })).toBe(false);
  });
});
