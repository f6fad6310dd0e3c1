// The reference of clients: a stub of grpc-js over mutual TLS, as its documentation shows it.
import { credentials } from "@grpc/grpc-js";
import { given, obeyWith } from "./given.ts";
import { callsOf, Stub } from "./stub.ts";

const { material, port, bodyBytes } = await given();
const [ca, key, cert] = [material.tls.ca, material.tls.key, material.tls.cert].map((pem) => Buffer.from(pem));
const stub = new Stub(`127.0.0.1:${port}`, credentials.createSsl(ca, key, cert), {
  "grpc.ssl_target_name_override": "ping.production.internal",
});
obeyWith(callsOf(stub, bodyBytes));
