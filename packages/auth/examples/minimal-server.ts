/** A grpc-js server that takes all four credentials, one method each. Any generator's definition will do. */
import { Server, type ServerUnaryCall, type ServiceDefinition, type sendUnaryData } from "@grpc/grpc-js";
import { Credential, definePolicy, identityOf } from "@zero-trust/auth";
import { apiKey, bearer, hmac, jwks, memoryNonceStore, protect, wireBytes } from "@zero-trust/auth/server";
import { apiKeyFile, grantsFile, signingKeyFile } from "@zero-trust/auth/stores/file";
import { httpsAgent, identityFromDirectory, mutualTlsServer } from "@zero-trust/mtls";

const trustDomain = "production.internal";
const audience = "https://greeter.production.internal";

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const decode = (bytes: Buffer): unknown => JSON.parse(bytes.toString("utf8"));
const method = (name: string): ServiceDefinition[string] => ({
  path: `/greeter.v1.Greeter/${name}`,
  requestStream: false,
  responseStream: false,
  requestSerialize: encode,
  requestDeserialize: decode,
  responseSerialize: encode,
  responseDeserialize: decode,
});
export const greeter: ServiceDefinition = {
  ByCertificate: method("ByCertificate"),
  ByApiKey: method("ByApiKey"),
  ByToken: method("ByToken"),
  BySignature: method("BySignature"),
};
const needs = (credential: Credential) => [{ credentials: [credential], scopes: ["greet"] }];

/** Starts it from a folder of files; returns its port. */
export async function startServer(folder: string, issuerAddress: string): Promise<{ port: number; close(): void }> {
  const identity = identityFromDirectory(`${folder}/tls`);
  const agent = httpsAgent({ identity, serverId: `spiffe://${trustDomain}/issuer` });
  const keys = jwks({ url: new URL(`https://${issuerAddress}/.well-known/jwks.json`), agent });
  const guard = protect({
    trustDomain,
    policies: [
      definePolicy(greeter, {
        ByCertificate: needs(Credential.MTLS),
        ByApiKey: needs(Credential.API_KEY),
        ByToken: needs(Credential.BEARER),
        BySignature: needs(Credential.HMAC),
      }),
    ],
    grants: grantsFile(`${folder}/grants.json`),
    credentials: [
      apiKey({ keys: apiKeyFile(`${folder}/api-keys.json`), audience }),
      bearer({ issuer: "https://issuer.production.internal", audience, keys }),
      hmac({
        keys: signingKeyFile({ path: `${folder}/signing-keys.json`, keyEncryptionKeyPath: `${folder}/kek` }),
        nonces: memoryNonceStore(),
        audience,
      }),
    ],
    onDecision: (event) => console.log(JSON.stringify(event)),
  });

  const server = new Server({ interceptors: [guard] });
  const greet = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) =>
    answer(null, { hello: identityOf(call.metadata).client });
  server.addService(wireBytes(greeter), { ByCertificate: greet, ByApiKey: greet, ByToken: greet, BySignature: greet });
  const listener = mutualTlsServer({ identity, server });
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  const close = () => {
    keys.close();
    server.forceShutdown();
    void listener.close();
  };
  return { port, close };
}
