import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { askForToken, form } from "../test/requests.ts";
import { orders, startIssuer } from "../test/start-issuer.ts";

test("one workload's requests do not pile up: too many at a time are refused, and another workload's are not", {
  timeout: 30_000,
}, async () => {
  await using started = await startIssuer();
  const held = Promise.withResolvers<void>();
  const holding = started.db.transaction().execute(() => held.promise);
  let refused = 0;
  const flood = Array.from({ length: 70 }, async () => {
    const { status, headers, body } = await askForToken(started);
    if (status === 200) return;
    refused += 1;
    expect({ status, body }).toMatchObject({ status: 429, body: { error: "temporarily_unavailable" } });
    expect(headers["retry-after"]).toBe("1");
  });
  await expect.poll(() => refused, { timeout: 20_000 }).toBe(6);
  const other = askForToken(started, { client_id: "order-service" }, { as: started.orderService });
  held.resolve();
  await Promise.all([holding, ...flood]);
  expect(refused).toBe(6);
  expect((await other).status).toBe(200);
  expect((await askForToken(started)).status).toBe(200);
  expect(started.lines.join("")).toContain("the workload has too many requests running");
});

test("requests that are broken off count no more", { timeout: 30_000 }, async () => {
  await using started = await startIssuer();
  const held = Promise.withResolvers<void>();
  const holding = started.db.transaction().execute(() => held.promise);
  const { storefront, port, ca } = started;
  const body = form({
    grant_type: "client_credentials",
    client_id: "storefront",
    resource: orders,
    scope: "read:orders",
  });
  const servername = "issuer.production.internal";
  for (let at = 0; at < 70; at += 1) {
    const socket = connect({ host: "127.0.0.1", port, ...storefront, ca: ca.ca, servername });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    const head = [
      "POST /oauth/token HTTP/1.1",
      `Host: ${servername}`,
      "Content-Type: application/x-www-form-urlencoded",
      `Content-Length: ${body.length}`,
    ];
    const asked = once(started.server, "request") as Promise<[unknown, ServerResponse]>;
    socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
    const [, response] = await asked;
    const closed = once(response, "close");
    socket.destroy();
    await closed;
  }
  const asking = askForToken(started);
  held.resolve();
  await holding;
  expect((await asking).status).toBe(200);
});
