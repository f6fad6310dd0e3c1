/**
 * The caller: runs in a container on the network of the services and makes the calls that a test asks for, line by
 * line on standard input. Everything that it knows of the deployment comes from `ZT_FILES`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { clientCredentials } from "@zero-trust/auth/client";
import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
import { makeCall, type Surroundings } from "./make-call.ts";
import type { Answer, Request, TokenRequest } from "./protocol.ts";

const files = process.env["ZT_FILES"] ?? "";
const port = process.env["ZT_PORT"] ?? "";
const trustDomain = process.env["ZT_TRUST_DOMAIN"] ?? "";

const tlsFolder = (workload: string) => join(files, "pki", workload);
const surroundings: Surroundings = {
  tlsFolder,
  ca: readFileSync(join(tlsFolder("issuer"), "ca.crt"), "utf8"),
  address: (service) => `${service}.${trustDomain}:${port}`,
  spiffeId: (workload) => `spiffe://${trustDomain}/${workload}`,
};

async function getToken({ as, audience, scopes }: TokenRequest): Promise<string> {
  const agent = httpsAgent({
    identity: identityFromDirectory(tlsFolder(as)),
    serverId: surroundings.spiffeId("issuer"),
  });
  const tokenEndpoint = new URL(`https://${surroundings.address("issuer")}/oauth/token`);
  try {
    return await clientCredentials({ tokenEndpoint, agent, clientId: as, audience, scopes }).token();
  } finally {
    agent.destroy();
  }
}

async function answer(request: Request): Promise<Answer> {
  try {
    if (request.kind === "call") return await makeCall(request, surroundings);
    return { token: await getToken(request) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, ...request } = JSON.parse(line) as Request & { readonly id: number };
  void answer(request as Request).then((result) => process.stdout.write(`${JSON.stringify({ id, ...result })}\n`));
});
