import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { Server, status } from "@grpc/grpc-js";
import { identityFromDirectory, mutualTlsChannels, mutualTlsServer } from "@zero-trust/mtls";
import { afterEach, beforeEach, expect, it } from "vitest";
import { rawCall } from "../src/raw-call.ts";
import { listsIn, type ScratchPki, scratchWithPki } from "./scratch-pki.ts";

let scratch: ScratchPki;
const pki = ["--dir", "./pki"] as const;
const folder = (name: string) => join(scratch.folder, name);

beforeEach(async () => {
  scratch = await scratchWithPki();
  for (const name of ["order", "payment"]) await scratch.type("issue", name, ...pki, "--out", `./${name}`);
});
afterEach(() => scratch[Symbol.dispose]());

/** The serial number of the oldest intermediate. */
function oldIntermediate(): string {
  const { authorities } = JSON.parse(scratch.read("pki/index.json")) as {
    authorities: { intermediate: { serial: string } }[];
  };
  return authorities[0]?.intermediate.serial ?? "";
}

/** What Node's own TLS says to a client: the files as they are, and nothing of ours between. */
async function handshake(as: string, at: string): Promise<string> {
  if ((await meet(as, at, true)) === "served") return "served";
  // To whoever refuses, Node does not say why; to whoever does not, it does.
  return `refused: ${await meet(as, at, false)}`;
}

async function meet(as: string, at: string, rejectUnauthorized: boolean): Promise<string> {
  const material = (name: string) => ({
    cert: scratch.read(`${name}/tls.crt`),
    key: scratch.read(`${name}/tls.key`),
    ca: scratch.read(`${name}/ca.crt`),
    crl: listsIn(scratch.read(`${name}/ca.crl`)),
  });
  const server = createServer({ ...material(at), requestCert: true, rejectUnauthorized }, (socket) => {
    socket.end(socket.authorized ? "served" : String(socket.authorizationError));
  });
  const refused = new Promise<string>((resolve) => server.once("tlsClientError", () => resolve("refused")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  // Without a list, so that it is the server's verdict that we hear.
  const { crl: _, ...client } = material(as);
  const socket = connect({ ...client, port, host: "127.0.0.1", servername: `${at}.production.internal` });
  socket.on("error", () => undefined);
  try {
    const said = new Promise<string>((resolve) => socket.once("data", (data: Buffer) => resolve(data.toString())));
    return await Promise.race([said, refused]);
  } finally {
    socket.destroy();
    server.close();
  }
}

it("Node lets a certificate in that is on no list, and refuses it once it is on one", async () => {
  expect(await handshake("order", "payment")).toBe("served");
  await scratch.type("revoke", "./order", ...pki);
  expect(await handshake("order", "payment")).toBe("refused: CERT_REVOKED");
  await scratch.type("renew", "./order", ...pki, "--force");
  expect(await handshake("order", "payment")).toBe("served");
});

it("Node refuses everything that a revoked intermediate has signed", async () => {
  await scratch.type("revoke", oldIntermediate(), ...pki);
  expect(await handshake("order", "payment")).toBe("refused: CERT_REVOKED");
});

it("in no step of a rotation does Node refuse anybody, whoever has got how far", async () => {
  const both = async () => [await handshake("order", "payment"), await handshake("payment", "order")];
  await scratch.type("rotate-ca", ...pki);
  expect(await both()).toEqual(["served", "served"]);
  await scratch.type("rotate-ca", "--reissue", ...pki);
  expect(await both()).toEqual(["served", "served"]);
  // One is still as it was after the first step.
  await scratch.type("rotate-ca", "--finish", ...pki);
  expect(await both()).toEqual(["served", "served"]);
});

it("services that watch their folders go on calling each other through renewal, rotation and revocation", async () => {
  const problems: string[] = [];
  let reloads = 0;
  await using cleanup = new AsyncDisposableStack();
  const identityOf = (name: string) =>
    cleanup.adopt(
      identityFromDirectory(folder(name), {
        pollMs: 20,
        onEvent: (event) => {
          if (event.type === "rejected") problems.push(event.error.message);
          if (event.type === "reloaded") reloads += 1;
        },
      }),
      (identity) => identity.close(),
    );
  const server = new Server();
  cleanup.defer(() => server.forceShutdown());
  const door = mutualTlsServer({ identity: identityOf("payment"), server });
  cleanup.defer(() => door.close());
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  const serverId = "spiffe://production.internal/payment";
  const channels = cleanup.adopt(
    mutualTlsChannels({ identity: identityOf("order"), target: `127.0.0.1:${port}`, serverId }),
    (them) => them.close(),
  );
  // Nothing is registered: UNIMPLEMENTED is the word of a server that has let us in.
  const call = () =>
    rawCall({ channels, path: "/a.B/C", message: new Uint8Array() }).then(
      () => status.OK,
      (error: unknown) => (error as { code?: status }).code,
    );
  const step = async (...argv: string[]) => {
    const before = reloads;
    await scratch.type(...argv, ...pki);
    await expect.poll(() => reloads, { timeout: 10_000 }).toBe(before + 2);
    expect([argv, await call()]).toEqual([argv, status.UNIMPLEMENTED]);
  };
  expect(await call()).toBe(status.UNIMPLEMENTED);
  await step("renew", "--all", "--force");
  await step("crl");
  await step("rotate-ca");
  await step("rotate-ca", "--reissue");
  await step("revoke", oldIntermediate());
  await step("rotate-ca", "--finish");
  expect(problems).toEqual([]);
  await scratch.type("revoke", "./order", ...pki);
  await expect.poll(call, { timeout: 10_000 }).toBe(status.UNAVAILABLE);
});
