// The tests of what the issuer remembers, once more on PostgreSQL.
import { startPostgres } from "@zero-trust/testkit/servers";
import { afterAll, describe } from "vitest";
import { usePostgres } from "./test-database.ts";

const server = await startPostgres();
usePostgres(server);
afterAll(() => server[Symbol.asyncDispose]());

describe("the list of what is revoked", async () => {
  await import("../src/denylist.test.ts");
});
describe("the clients", async () => {
  await import("../src/client-changes.test.ts");
});
describe("the keys", async () => {
  await import("../src/key-ring.test.ts");
});
describe("revocation", async () => {
  await import("../src/revocation.test.ts");
});
describe("assertions", async () => {
  await import("../src/client-assertion.test.ts");
});
