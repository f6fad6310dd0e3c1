import { readFileSync } from "node:fs";
import { Channel, credentials, ServerCredentials } from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { echo, echoServer } from "./echo.ts";

test("the example runs", async () => {
  const { cert, key, ca } = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/echo" });
  const [caBytes, keyBytes, certBytes] = [Buffer.from(ca), Buffer.from(key), Buffer.from(cert)];
  const server = echoServer();
  const pairs = [{ private_key: keyBytes, cert_chain: certBytes }];
  const port = await new Promise<number>((resolve, reject) => {
    const tls = ServerCredentials.createSsl(caBytes, pairs, true);
    server.bindAsync("127.0.0.1:0", tls, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const channel = new Channel(`127.0.0.1:${port}`, credentials.createSsl(caBytes, keyBytes, certBytes), {
    "grpc.ssl_target_name_override": "echo.production.internal",
  });
  try {
    expect(await echo(channel, "hello")).toEqual(["hello", "hello", "hello", "hello"]);
    expect(await echo(channel, "")).toEqual(["text: EMPTY"]);
  } finally {
    channel.close();
    server.forceShutdown();
  }
});

test("the example is the one in the README", () => {
  const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");
  expect(read("../README.md")).toContain(read("echo.ts"));
});
