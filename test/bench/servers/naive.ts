// What people write by hand: the same checks as ours on every call, each with what is at hand for it, and nothing remembered.
import { createHmac, timingSafeEqual } from "node:crypto";
import {
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";
import { createLocalJWKSet, jwtVerify } from "jose";
import { audience, callerId, client, issuerName, scope } from "../material.ts";
import { bind } from "./bind.ts";
import { given, listensOn } from "./given.ts";
import { pingDefinition, pingImplementation } from "./ping-definition.ts";

const { material } = await given();
const { cert, key, ca } = material.tls;
const keySet = createLocalJWKSet(material.jwks);
const secrets = new Map(material.signingKeys.map(({ id, secret }) => [id, Buffer.from(secret)]));
const grants = new Map([[callerId, { client, scopes: [scope] }]]);

const windowMs = { past: 300_000, future: 5_000 };
const nonces = new Map<string, number>();
setInterval(() => {
  const now = Date.now();
  for (const [nonce, until] of nonces) if (until < now) nonces.delete(nonce);
}, 10_000).unref();

class Refused extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

interface Caller {
  readonly spiffeId: string;
  readonly thumbprint: string;
}

type Auth = ReturnType<ServerInterceptingCall["getAuthContext"]>;

function peerOf({ sslPeerCertificate: certificate }: Auth): Caller {
  if (certificate === undefined) throw new Refused(status.UNAUTHENTICATED, "no client certificate");
  const uri = (certificate.subjectaltname ?? "").split(", ").find((name) => name.startsWith("URI:"));
  const spiffeId = uri?.slice("URI:".length) ?? "";
  if (!grants.get(spiffeId)?.scopes.includes(scope)) throw new Refused(status.PERMISSION_DENIED, "not granted");
  const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(":", ""), "hex").toString("base64url");
  return { spiffeId, thumbprint };
}

async function checkToken(metadata: Metadata, { spiffeId, thumbprint }: Caller): Promise<string> {
  const [authorization = ""] = metadata.get("authorization").map(String);
  const { payload } = await jwtVerify(authorization.slice("Bearer ".length), keySet, {
    issuer: issuerName,
    audience,
    algorithms: ["ES256"],
    typ: "at+jwt",
    requiredClaims: ["exp", "iat", "jti", "client_id"],
    clockTolerance: 5,
  });
  const { cnf } = payload as { cnf?: Record<string, unknown> };
  if (cnf?.["x5t#S256"] !== thumbprint) throw new Refused(status.UNAUTHENTICATED, "bound to another certificate");
  if (payload["client_id"] !== grants.get(spiffeId)?.client)
    throw new Refused(status.UNAUTHENTICATED, "of another client");
  const scopes = typeof payload["scope"] === "string" ? payload["scope"].split(" ") : [];
  if (!scopes.includes(scope)) throw new Refused(status.PERMISSION_DENIED, "lacks the scope");
  return payload.jti ?? "";
}

function checkSignature(metadata: Metadata, path: string, body: Buffer): string {
  const one = (name: string) => String(metadata.get(name)[0] ?? "");
  const [id, timestamp, nonce] = [one("x-api-key"), one("x-timestamp"), one("x-nonce")];
  const ageMs = Date.now() - Number(timestamp) * 1000;
  if (!(ageMs <= windowMs.past && ageMs >= -windowMs.future)) throw new Refused(status.UNAUTHENTICATED, "too old");
  const secret = secrets.get(id);
  if (secret === undefined) throw new Refused(status.UNAUTHENTICATED, "no such key");
  const mac = createHmac("sha256", secret).update(`POST\n${path}\n${timestamp}\n${nonce}\n`).update(body).digest();
  const shown = Buffer.from(one("x-signature"), "hex");
  if (shown.length !== mac.length || !timingSafeEqual(shown, mac)) throw new Refused(status.UNAUTHENTICATED, "wrong");
  const use = `${id} ${nonce}`;
  if (nonces.has(use)) throw new Refused(status.UNAUTHENTICATED, "replayed");
  nonces.set(use, Number(timestamp) * 1000 + windowMs.past);
  return id;
}

/** The bytes that a message came in: what was signed. */
const bodies = new WeakMap<object, Buffer>();

const server = new Server({
  interceptors: [
    ({ path }, call) => {
      const startedAt = performance.now();
      let metadata: Metadata;
      const log = (event: object) =>
        console.log(JSON.stringify({ time: new Date(), method: path, ...event, ms: performance.now() - startedAt }));
      return new ServerInterceptingCall(call, {
        start(next) {
          next({
            onReceiveMetadata(received, go) {
              metadata = received;
              go(received);
            },
            onReceiveMessage(message: object, go) {
              void (async () => {
                try {
                  const peer = peerOf(call.getAuthContext());
                  const jti = await checkToken(metadata, peer);
                  const keyId = checkSignature(metadata, path, bodies.get(message) ?? Buffer.alloc(0));
                  log({ outcome: "allowed", peer: peer.spiffeId, fingerprint: peer.thumbprint, client, jti, keyId });
                } catch (error) {
                  const code = error instanceof Refused ? error.code : status.UNAUTHENTICATED;
                  log({ outcome: "denied", cause: String(error) });
                  call.sendStatus({ code, details: "denied" });
                  return;
                }
                go(message);
              })();
            },
          });
        },
      });
    },
  ],
});
const signedDefinition: ServiceDefinition = Object.fromEntries(
  Object.entries<ServiceDefinition[string]>(pingDefinition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer) => {
      const message = method.requestDeserialize(bytes) as object;
      bodies.set(message, bytes);
      return message;
    };
    return [name, { ...method, requestDeserialize }];
  }),
);
server.addService(signedDefinition, pingImplementation);
const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
listensOn(await bind(server, ServerCredentials.createSsl(Buffer.from(ca), [pair], true)));
