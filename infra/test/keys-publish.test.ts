import { apiKeyTable, createApiKeyTable } from "@zero-trust/auth/stores/postgres";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { keysCommands } from "../src/keys/commands.ts";
import { type ScratchCommand, scratchCommand } from "./scratch-command.ts";

const audience = "https://payment.production.internal";
const issue = `issue api --file ./keys.json --client reporting --audience ${audience} --scope read:transactions`;

let ca: TestCa;
let server: PostgresServer;
let scratch: ScratchCommand;
let publish: string;
let database: Client;

beforeAll(async () => {
  ca = await createCa();
  server = await startPostgres({ tls: await ca.issue({ spiffeId: "spiffe://production.internal/postgres" }) });
  scratch = scratchCommand("keys", keysCommands);
  const operator = await ca.issue({ spiffeId: "spiffe://production.internal/operator" });
  for (const [name, text] of [["tls.crt", operator.cert] as const, ["tls.key", operator.key], ["ca.crt", operator.ca]])
    scratch.write(name, text);
  scratch.write("password", `${server.password}\n`);
  const url = `postgres://${server.user}@${server.host}:${server.port}/${server.database}`;
  publish = `publish api --file ./keys.json --database ${url} --password-file ./password --tls ${scratch.folder}`;
  const { host, port, user, password } = server;
  const ssl = { ca: operator.ca, cert: operator.cert, key: operator.key, checkServerIdentity: () => undefined };
  database = new Client({ host, port, user, password, database: server.database, ssl });
  await database.connect();
});
beforeEach(async () => {
  await database.query("drop table if exists api_keys");
  await createApiKeyTable(database);
});
afterAll(async () => {
  await database.end();
  await server[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

test("what is issued, revoked and taken out of the file is so in the table", async () => {
  const [one = "", other = ""] = [await scratch.type(issue), await scratch.type(issue)].map((key) => key.split("-")[2]);
  await scratch.type(publish);
  expect(scratch.notes).toEqual(["api_keys says what the file says: 2 added, 0 changed, 0 revoked."]);
  const found = async (id: string) => await apiKeyTable({ pool: database, timeoutMs: 5_000 }).find(id);
  expect(await found(one)).toMatchObject({ client: "reporting", audience });
  await scratch.type(`revoke api ${one} --file ./keys.json`);
  const { keys } = JSON.parse(scratch.read("keys.json")) as { keys: { id: string }[] };
  scratch.write("keys.json", { keys: keys.filter(({ id }) => id === one) });
  expect(JSON.parse(await scratch.type(`${publish} --json`))).toEqual({ added: [], changed: [one], revoked: [other] });
  expect(scratch.notes.at(-1)).toBe(`Revoked, since the file has them no more: ${other}.`);
  for (const id of [one, other]) expect(await found(id)).toMatchObject({ revokedAtMs: scratch.nowMs });
});

test("says in a sentence what is wrong, and changes nothing", async () => {
  await scratch.type(issue);
  await scratch.type(publish);
  scratch.write("other.json", { keys: [{}] });
  scratch.write("wrong", "wrong");
  const url = `postgres://${server.user}@${server.host}:${server.port}/${server.database}`;
  const refusal = (from: string, to: string) => scratch.refusal(publish.replace(from, to));
  expect(await refusal("./keys.json", "./other.json")).toMatch(/other\.json is no good: keys\[0\]/u);
  expect(await refusal(url, "postgres://postgres:canary@localhost:5432/x")).toBe(
    "--database must be like postgres://payment@postgres.production.internal:5432/payment, without a password.",
  );
  expect(await refusal("./password", "./wrong")).toMatch(/cannot be reached: password authentication failed/u);
  expect(await refusal("./password", "./none")).toMatch(
    /The password file .*none cannot be read: it does not exist\./u,
  );
  expect(await scratch.refusal(`${publish} --table x;y`)).toMatch(/"x;y" is no table/u);
  expect(await scratch.refusal(`${publish} --table none`)).toMatch(
    /^There is no table none in .*: a service makes it when it starts with ZT_API_KEYS_TABLE=none\.$/u,
  );
  expect((await database.query("select * from api_keys")).rowCount).toBeGreaterThan(0);
});

test("does not speak to a server that is not the trust domain's postgres", async () => {
  const stranger = await ca.issue({ spiffeId: "spiffe://production.internal/storefront" });
  await using other = await startPostgres({ tls: stranger });
  await scratch.type(issue);
  const refusal = await scratch.refusal(publish.replace(`:${server.port}/`, `:${other.port}/`));
  expect(refusal).toContain("spiffe://production.internal/storefront, not spiffe://production.internal/postgres");
});
