/** Starts the server, calls it with an API key, and without one. */
import { greet } from "./client.ts";
import { startServer } from "./server.ts";
import { tryOut } from "./try-out.ts";

using tried = await tryOut();
const { files, key } = tried;
const server = await startServer(files);
const target = `127.0.0.1:${server.port}`;
console.log(await greet(files, target, key));
console.log(await greet(files, target));
await server.close();
