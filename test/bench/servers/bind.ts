import type { Server, ServerCredentials } from "@grpc/grpc-js";

/** Binds a server of grpc-js to a free port, as its documentation shows it. */
export function bind(server: Server, credentials: ServerCredentials): Promise<number> {
  return new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
}
