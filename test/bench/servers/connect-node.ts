// connect-node as its documentation shows it: an adapter on Node's HTTP/2 server, and an interceptor that verifies a token alone.
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { PingService } from "@zero-trust/testkit";
import { given, listensOn } from "./given.ts";
import { tokenCheck } from "./token-check.ts";

const { material } = await given();
const check = tokenCheck(material);

const authenticate: Interceptor = (next) => async (request) => {
  try {
    await check(request.header.get("authorization") ?? undefined);
  } catch {
    throw new ConnectError("denied", Code.Unauthenticated);
  }
  return await next(request);
};

const handler = connectNodeAdapter({
  interceptors: [authenticate],
  routes: (router) => router.service(PingService, { ping: ({ text }) => ({ text }) }),
});
const server = createSecureServer({ ...material.tls, requestCert: true, rejectUnauthorized: true }, handler);
server.listen(0, "127.0.0.1", () => listensOn((server.address() as AddressInfo).port));
