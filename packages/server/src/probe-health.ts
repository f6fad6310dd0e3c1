// The program that a container's HEALTHCHECK runs beside the service, with the same environment; importing it runs nothing.
import { once } from "node:events";
import { request } from "node:http";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { buffer } from "node:stream/consumers";
import { connect, type TLSSocket } from "node:tls";
import { fromBinary } from "@bufbuild/protobuf";
import { clientTlsOptions, identityFromDirectory } from "@zero-trust/mtls";
import { HealthCheckResponse_ServingStatus, HealthCheckResponseSchema } from "./gen/health/v1/health_pb.ts";
import { probedService } from "./probed-service.ts";

/** Below what the container engine gives it, so that the sentence gets out. */
const TIMEOUT_MS = 5_000;
/** Where an HTTPS server says whether it can be used: 2xx or not. */
const HTTPS_PATH = "/healthz";
/** The length of gRPC's prefix of a message, and a whole message that is empty: flags and length, all zero. */
const PREFIX_BYTES = 5;
const EMPTY_MESSAGE = Buffer.alloc(PREFIX_BYTES);
const PERMISSION_DENIED = "7";

/**
 * Asks the service that has this environment whether it serves, over mutual TLS with the service's own certificate, which has to
 * be the one that answers too: by gRPC health checking (grpc.health.v1) where it speaks HTTP/2, else by `GET /healthz`.
 *
 * @param timeoutMs - how long all of it may take, in milliseconds; 5 s unless given
 * @throws Error with the reason when the answer is anything else than that it serves
 */
export async function probeHealth(environment: NodeJS.ProcessEnv, timeoutMs: number = TIMEOUT_MS): Promise<void> {
  const { address, tlsDirectory } = probedService(environment);
  const identity = identityFromDirectory(tlsDirectory);
  identity.close();
  const options = clientTlsOptions({ identity, serverId: identity.spiffeId });
  const socket = connect({ ...options, ...address, ALPNProtocols: ["h2", "http/1.1"] });
  const late = AbortSignal.timeout(timeoutMs);
  late.addEventListener("abort", () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  try {
    await once(socket, "secureConnect");
    const answer = socket.alpnProtocol === "h2" ? await askGrpc(socket) : await askHttps(socket);
    if (answer !== "SERVING") throw new Error(`the answer is ${answer}`);
  } catch (error) {
    throw new Error(`${identity.spiffeId} at ${address.host}:${address.port} does not serve: ${reason(error)}.`, {
      cause: error,
    });
  } finally {
    socket.destroy();
  }
}

/** The name of the status that the server as a whole has. */
async function askGrpc(socket: TLSSocket): Promise<string> {
  const session = connectHttp2("https://localhost", { createConnection: () => socket });
  const failed = once(session, "error").then(([error]) => Promise.reject(error as Error));
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: "/grpc.health.v1.Health/Check",
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
    [constants.HTTP2_HEADER_TE]: "trailers",
  });
  const headers: IncomingHttpHeaders = {};
  for (const event of ["response", "trailers"]) {
    stream.on(event, (more: IncomingHttpHeaders) => Object.assign(headers, more));
  }
  stream.end(EMPTY_MESSAGE);
  const message = await Promise.race([buffer(stream), failed]);
  const code = headers["grpc-status"];
  if (code === PERMISSION_DENIED) return "PERMISSION_DENIED, as nothing grants it to call itself";
  if (code !== "0") return code === undefined ? "no gRPC status" : `the gRPC status ${String(code)}`;
  const bytes = new Uint8Array(message.subarray(PREFIX_BYTES));
  const { status } = fromBinary(HealthCheckResponseSchema, bytes);
  const named = Object.entries(HealthCheckResponse_ServingStatus).find(([, value]) => value === status);
  return named?.[0] ?? String(status);
}

async function askHttps(socket: TLSSocket): Promise<string> {
  const asking = request({ path: HTTPS_PATH, createConnection: () => socket });
  asking.end();
  const [response] = (await once(asking, "response")) as [{ readonly statusCode?: number }];
  const { statusCode = 0 } = response;
  return statusCode >= 200 && statusCode < 300 ? "SERVING" : `the HTTP status ${statusCode}`;
}

function reason(error: unknown): string {
  const { message } = error instanceof Error ? error : new Error(String(error));
  return message.replace(/\.$/u, "").replaceAll(/[^\x20-\x7e]+/gu, " ");
}

if (import.meta.main) {
  try {
    await probeHealth(process.env);
  } catch (error) {
    process.stderr.write(`health: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
