import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, createServer, request } from "node:https";
import { text } from "node:stream/consumers";
import { createCa } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { listen } from "./listen.ts";

test("a request that is running when the server closes is answered, and its connection is not kept for another", async () => {
  const { ca, ...tls } = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/issuer" });
  const server = createServer(tls, (asked, response) => void text(asked).then((body) => response.end(`got ${body}`)));
  const listening = await listen(server, { host: "127.0.0.1", port: 0 });
  const agent = new Agent({ keepAlive: true });
  try {
    const asking = request({
      agent,
      ca,
      host: "127.0.0.1",
      port: listening.port,
      servername: "issuer.production.internal",
      method: "POST",
      headers: { expect: "100-continue" },
    });
    asking.flushHeaders();
    await once(asking, "continue");
    const closed = listening.close();
    const answered = once(asking, "response") as Promise<[IncomingMessage]>;
    asking.end("all");
    const [answer] = await answered;
    expect([await text(answer), answer.headers.connection]).toEqual(["got all", "close"]);
    await closed;
  } finally {
    agent.destroy();
  }
});
