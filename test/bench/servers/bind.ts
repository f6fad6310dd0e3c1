import type { Server, ServerCredentials } from "@grpc/grpc-js";
import { listensOn } from "./given.ts";

/** Binds a server of grpc-js as its documentation shows it, and tells the bench where. */
export async function bind(server: Server, credentials: ServerCredentials): Promise<void> {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  listensOn(port);
}
