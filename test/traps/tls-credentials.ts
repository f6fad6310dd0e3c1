import * as grpc from "@grpc/grpc-js";
import type { IssuedCertificate, TestCa } from "@zero-trust/testkit";

/** A server's certificate as `ServerCredentials.createSsl` takes it. */
export function keyPair({ cert, key }: IssuedCertificate): grpc.KeyCertPair {
  return { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
}

/** What a client with a certificate brings. */
export function clientTls({ ca, cert, key }: IssuedCertificate, verify?: grpc.VerifyOptions): grpc.ChannelCredentials {
  return grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), verify);
}

/** What a client brings that trusts the CA and has nothing from it. */
export function withoutCertificate({ ca }: TestCa): grpc.ChannelCredentials {
  return grpc.credentials.createSsl(Buffer.from(ca));
}
