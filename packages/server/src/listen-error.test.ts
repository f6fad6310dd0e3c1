import { createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { ConfigError } from "./config.ts";
import { listenError } from "./listen-error.ts";

function listen(host: string, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, { host, port })));
    server.listen(port, host, () => resolve({ server, port: (server.address() as { port: number }).port }));
  });
}

test("says in one sentence that the port is in use, and the way out", async () => {
  const { server, port } = await listen("127.0.0.1", 0);
  try {
    await expect(listen("127.0.0.1", port)).rejects.toEqual(
      new ConfigError(`Port 127.0.0.1:${port} is already in use; choose another with ZT_PORT.`),
    );
  } finally {
    server.close();
  }
});

test("says in one sentence that the address is another machine's", async () => {
  await expect(listen("192.0.2.1", 9000)).rejects.toEqual(
    new ConfigError("Address 192.0.2.1:9000 does not belong to this machine; choose another with ZT_HOST."),
  );
});

test("finds the error that is the cause of another", () => {
  const error = new Error("in other words", { cause: Object.assign(new Error("listen"), { code: "EACCES" }) });
  expect(listenError(error, { host: "127.0.0.1", port: 443 }).message).toBe(
    "Port 127.0.0.1:443 may not be opened by this user; choose one from 1024 up with ZT_PORT.",
  );
});

test("leaves other errors as they are", () => {
  const error = new Error("else");
  expect(listenError(error, { host: "127.0.0.1", port: 1 })).toBe(error);
});
