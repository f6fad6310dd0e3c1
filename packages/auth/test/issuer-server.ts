import { once } from "node:events";
import type { RequestListener } from "node:http";
import type { Agent } from "node:https";
import type { AddressInfo } from "node:net";
import { httpsAgent, identityFromMemory, mutualTlsHttpsServer } from "@zero-trust/mtls";
import type { TestCa } from "@zero-trust/testkit";
import { idOf } from "./ping-server.ts";

/** An HTTPS server over mutual TLS that answers as a test wants, at the place of an authorization server. */
export interface IssuerServer extends AsyncDisposable {
  readonly url: URL;
  readonly agent: Agent;
  answer: RequestListener;
  readonly requests: number;
}

export async function startIssuerServer(
  ca: TestCa,
  options: { readonly workload?: string } = {},
): Promise<IssuerServer> {
  let requests = 0;
  const identity = identityFromMemory(await ca.issue({ spiffeId: idOf(options.workload ?? "issuer") }));
  const client = identityFromMemory(await ca.issue({ spiffeId: idOf("ping-service") }));
  const server = mutualTlsHttpsServer({ identity }, (req, res) => {
    requests += 1;
    issuer.answer(req, res);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const agent = httpsAgent({ identity: client, serverId: idOf("issuer") });
  const issuer = {
    url: new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    agent,
    answer: ((_req, res) => res.writeHead(404).end()) as RequestListener,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return issuer;
}

/** Answers JSON. */
export function json(value: unknown, status = 200): RequestListener {
  return (_req, res) => void res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
