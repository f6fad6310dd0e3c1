import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import type { TlsMaterial } from "@zero-trust/mtls";
import { decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askForToken, askToRevoke, denylist, form, tokenIn } from "../test/requests.ts";
import { clientsDocument, newSigningKey, orders, type StartedIssuer, startIssuer } from "../test/start-issuer.ts";

let folder: string;
let started: StartedIssuer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "request-body-"));
  started = await startIssuer({ folder, keys: [await newSigningKey("old")] });
});
afterEach(async () => {
  await started[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface SlowRequest {
  readonly path?: string;
  readonly body?: string;
  readonly as?: TlsMaterial;
  readonly headers?: readonly string[];
  /** What happens between the first bytes of the body and the others. */
  readonly meanwhile: () => Promise<unknown>;
}

const tokenBody = (scope: string) =>
  form({ grant_type: "client_credentials", client_id: "storefront", resource: orders, scope });

/** Sends a request with a body that takes its time; gives the answer as it is on the wire. */
async function askSlowly(request: SlowRequest): Promise<string> {
  const { path = "/oauth/token", body = tokenBody("write:orders"), as = started.storefront, headers = [] } = request;
  const servername = "issuer.production.internal";
  const socket = connect({ host: "127.0.0.1", port: started.port, ...as, ca: started.ca.ca, servername });
  await once(socket, "secureConnect");
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${servername}`,
    "Connection: close",
    "Content-Type: application/x-www-form-urlencoded",
    `Content-Length: ${body.length}`,
    ...headers,
  ];
  const arrived = once(started.server, "request");
  socket.write(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 5)}`);
  await arrived;
  await request.meanwhile();
  socket.write(body.slice(5));
  return await text(socket);
}

test("a scope that is taken away while the body is on its way is not granted", async () => {
  const audiences = { [orders]: ["read:orders"] };
  const clients = clientsDocument(started.partnerSecret).clients.map((client) =>
    client["clientId"] === "storefront" ? { ...client, audiences } : client,
  );
  const answer = await askSlowly({ meanwhile: () => started.change("clients", { clients }) });
  expect(answer).toMatch(/^HTTP\/1.1 400 [\s\S]*"invalid_scope"/u);
});

test("a secret that is taken out while the body is on its way is refused", async () => {
  const authorization = Buffer.from(`partner:${started.partnerSecret}`).toString("base64");
  const answer = await askSlowly({
    as: started.partner,
    body: form({ grant_type: "client_credentials", resource: orders, scope: "read:orders" }),
    headers: [`Authorization: Basic ${authorization}`],
    meanwhile: () => started.change("clients", clientsDocument("another")),
  });
  expect(answer).toMatch(/^HTTP\/1.1 401 [\s\S]*"invalid_client"/u);
});

test("a client that is taken out while the body is on its way gets nothing", async () => {
  const clients = clientsDocument(started.partnerSecret).clients.slice(1);
  const answer = await askSlowly({ meanwhile: () => started.change("clients", { clients }) });
  expect(answer).toMatch(/^HTTP\/1.1 401 [\s\S]*"invalid_client"/u);
});

test("a key that takes the place of another while the body is on its way signs, and the request is answered", async () => {
  const next = await newSigningKey("next");
  const answer = await askSlowly({ meanwhile: () => started.change("keys", { keys: [next] }) });
  expect(answer).toMatch(/^HTTP\/1.1 200 /u);
  const token = /"access_token":"(?<token>[^"]+)"/u.exec(answer)?.groups?.["token"] ?? "";
  expect(decodeProtectedHeader(token).kid).toBe("next");
});

test("bodies of other lengths are read as they are: none, one byte, and a revocation's", async () => {
  expect((await started.ask({ as: started.storefront, body: "" })).status).toBe(400);
  expect((await started.ask({ as: started.storefront, body: "x" })).status).toBe(400);
  const { token, jti } = tokenIn(await askForToken(started));
  expect((await askToRevoke(started, token)).status).toBe(200);
  expect((await denylist(started)).tokens).toMatchObject([{ jti }]);
});
