import { PassThrough } from "node:stream";
import { TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AcceptedConnections } from "./accepted-connections.ts";
import { Connection } from "./connections.ts";
import { uriSan } from "./identity-rule.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** A connection whose certificate is as good as the test says. */
function accepted() {
  const socket = new TLSSocket(new PassThrough());
  const found = { complaint: undefined as string | undefined };
  const trust = () => ({ complaint: () => found.complaint, tightens: () => false });
  const connection = new Connection(socket, {
    identityRule: uriSan,
    get trust() {
      return trust();
    },
  });
  const connections = new AcceptedConnections({ maxPerPeer: 5 });
  connections.add(connection);
  return { socket, found, connections };
}

test("a connection whose certificate is not good any more is cut off when its last words are over, and not before", () => {
  const { socket, found, connections } = accepted();
  found.complaint = "Revoked.";
  vi.advanceTimersByTime(5_000);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(socket.destroyed).toBe(true);
  connections.close();
});

test("one whose certificate is good again, since its list was renewed, has its last words anew", () => {
  const { socket, found, connections } = accepted();
  found.complaint = "The issuer has no current CRL.";
  vi.advanceTimersByTime(4_000);
  found.complaint = undefined;
  vi.advanceTimersByTime(2_000);
  found.complaint = "Revoked.";
  vi.advanceTimersByTime(5_000);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(socket.destroyed).toBe(true);
  connections.close();
});

test("one that is to end at a time is cut off then, however good its certificate is", () => {
  const { socket, connections } = accepted();
  connections.endAt(performance.now() + 3_000);
  vi.advanceTimersByTime(2_000);
  expect(socket.destroyed).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(socket.destroyed).toBe(true);
  connections.close();
});
