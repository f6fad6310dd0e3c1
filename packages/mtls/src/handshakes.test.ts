import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { until } from "../test/until.ts";
import { Handshakes, type RefusedHandshake } from "./handshakes.ts";

test("does not say of a connection why another one failed that had been given up", async () => {
  const refused: RefusedHandshake[] = [];
  const handshakes = new Handshakes({ maxPending: 1, onRefused: (event) => refused.push(event) });
  // Sockets that are not connected have no address, as those of clients that have gone.
  const [first, second] = [new Socket(), new Socket()];
  handshakes.begun(first);
  handshakes.begun(second);
  handshakes.failed(Object.assign(new Error("gone"), { code: "ERR_OF_THE_FIRST" }), new TLSSocket(new Socket()));
  second.destroy();
  await until(() => refused.length === 2);
  expect(refused.map(({ cause }) => cause)).toEqual(["TOO_MANY_HANDSHAKES", "ECONNRESET"]);
  expect(handshakes.refused).toBe(2);
});
