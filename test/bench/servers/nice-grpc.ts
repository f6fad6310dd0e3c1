// nice-grpc as its documentation shows it: a middleware that verifies a token alone. Messages are encoded as the reference's are.
import { create } from "@bufbuild/protobuf";
import { type MethodDefinition, ServerCredentials } from "@grpc/grpc-js";
import { type PingRequest, type PingResponse, PingResponseSchema } from "@zero-trust/testkit";
import { createServer, ServerError, type ServerMiddleware, Status } from "nice-grpc";
import { given, listensOn } from "./given.ts";
import { pingDefinition } from "./ping-definition.ts";
import { tokenCheck } from "./token-check.ts";

const { material } = await given();
const { cert, key, ca } = material.tls;
const check = tokenCheck(material);

const authenticate: ServerMiddleware = async function* authenticate(call, context) {
  try {
    await check(context.metadata.get("authorization"));
  } catch {
    throw new ServerError(Status.UNAUTHENTICATED, "denied");
  }
  return yield* call.next(call.request, context);
};

const server = createServer().use(authenticate);
type Unary = MethodDefinition<PingRequest, PingResponse> & { requestStream: false; responseStream: false };
const ping = pingDefinition["ping"] as Unary;
server.add({ ping }, { ping: async ({ text }) => create(PingResponseSchema, { text }) });
const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
listensOn(await server.listen("127.0.0.1:0", ServerCredentials.createSsl(Buffer.from(ca), [pair], true)));
