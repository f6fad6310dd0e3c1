import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { createCa } from "../ca.ts";
import { findValkey, startPostgres, startValkey } from "./index.ts";

/** What a server says to a client of its protocol over TCP, as long as it is willing to talk. */
async function answerTo(server: { readonly host: string; readonly port: number }, said: string | Buffer) {
  const socket = connect({ host: server.host, port: server.port });
  socket.write(said);
  socket.setTimeout(5_000, () => socket.destroy());
  socket.once("data", () => socket.end());
  return await text(socket).catch(() => "");
}

/** The packet that asks PostgreSQL whether it speaks TLS. */
const sslRequest = Buffer.from("0000000804d2162f", "hex");

const ca = await createCa();
const tls = await ca.issue({ spiffeId: "spiffe://production.internal/postgres" });

test("a PostgreSQL server speaks TLS where it was given a certificate, and comes back after a crash", async () => {
  await using server = await startPostgres({ tls });
  expect(await answerTo(server, sslRequest)).toBe("S");
  const before = server.pid;
  await server.stop("SIGQUIT");
  await server.start();
  expect(server.pid).not.toBe(before);
  expect(await answerTo(server, sslRequest)).toBe("S");
});

test("a PostgreSQL server without a certificate says so", async () => {
  await using server = await startPostgres();
  expect(await answerTo(server, sslRequest)).toBe("N");
});

test.runIf(findValkey() !== undefined)("a Valkey server lets in its user alone, with what it may do", async () => {
  await using server = await startValkey({ acl: "+ping" });
  const { user, password } = server;
  expect(await answerTo(server, "PING\r\n")).toContain("NOAUTH");
  const session = connect({ host: server.host, port: server.port });
  session.end(`AUTH ${user} ${password}\r\nPING\r\nGET zt:key\r\n`);
  expect((await text(session)).split("\r\n")).toEqual(["+OK", "+PONG", expect.stringContaining("-NOPERM"), ""]);
});

test.runIf(findValkey() !== undefined)("a Valkey server with a certificate wants one of its clients", async () => {
  await using server = await startValkey({ tls });
  expect(await answerTo(server, "PING\r\n")).toBe("");
  const { user, password } = server;
  const socket = connectTls({ ...tls, host: server.host, port: server.port, checkServerIdentity: () => undefined });
  socket.end(`AUTH ${user} ${password}\r\nPING\r\n`);
  expect(await text(socket)).toBe("+OK\r\n+PONG\r\n");
  // Its operator is let in too, whatever its user may do.
  expect(await server.operate("SET", "key", "a b\r\nc")).toBe("+OK\r\n");
  expect(await server.operate("GET", "key")).toBe("$6\r\na b\r\nc\r\n");
  await expect(server.operate("NONSENSE")).rejects.toThrow(/^NONSENSE: -ERR unknown command/u);
});
