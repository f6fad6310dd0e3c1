import { once } from "node:events";
import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { coverSession } from "./covered-session.ts";

test("nobody listens to a stream that is over, and an error of it that comes late ends nothing", async () => {
  const started = Promise.withResolvers<ServerHttp2Stream>();
  const server = createServer().on("stream", (stream) => {
    if (stream.session !== undefined) coverSession(stream.session, stream);
    stream.on("data", () => undefined).on("aborted", () => undefined);
    stream.respond({ ":status": 200 }, { endStream: true });
    started.resolve(stream);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const request = session.request({ ":path": "/" }).resume();
  const stream = await started.promise;
  expect(stream.listenerCount("data")).toBe(1);
  await once(request, "close");
  await expect.poll(() => stream.eventNames()).toEqual(["error"]);
  expect(() => stream.emit("error", new Error("late"))).not.toThrow();
  session.close();
  server.close();
});
