import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import type { MutualTlsCall, MutualTlsChannels } from "@zero-trust/mtls";
import { isCollected } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { AuthenticatedCall, type Shown } from "./authenticated-call.ts";

type Listener = Parameters<AuthenticatedCall["start"]>[1];

const below = { setCredentials: () => undefined, start: () => undefined } as unknown as MutualTlsCall;
/** Outside of the function that uses it, of which it would hold all. */
const channels = { channel: () => ({ createCall: () => below }) } as unknown as MutualTlsChannels;
const shown: Shown = { presenters: [], keys: [] };

/** A call over a channel of the test's own, and who hears of it. */
function startedCall(): { readonly call: AuthenticatedCall; readonly heard: string[] } {
  const call = new AuthenticatedCall(channels, ["/a.B/C", Infinity, undefined, null, undefined], shown);
  const heard: string[] = [];
  const listener: Listener = {
    onReceiveMetadata: () => void heard.push("metadata"),
    onReceiveMessage: () => void heard.push("message"),
    onReceiveStatus: ({ code }) => void heard.push(status[code]),
  };
  call.start(new Metadata(), listener);
  return { call, heard };
}

const ok: StatusObject = { code: status.OK, details: "", metadata: new Metadata() };

test("tells its listener all that comes, and the status once", () => {
  const { call, heard } = startedCall();
  call.onReceiveMetadata(new Metadata());
  call.onReceiveMessage(Buffer.alloc(0));
  call.onReceiveStatus(ok);
  call.onReceiveStatus(ok);
  expect(heard).toEqual(["metadata", "message", "OK"]);
});

test("a call that is over lets go of who heard it, also while something still holds the call", async () => {
  const held = (): [AuthenticatedCall, WeakRef<object>] => {
    const { call, heard } = startedCall();
    return [call, new WeakRef(heard)];
  };
  const [call, heard] = held();
  expect(await isCollected(heard)).toBe(false);
  call.onReceiveStatus(ok);
  await expect.poll(() => isCollected(heard)).toBe(true);
  expect(call).toBeInstanceOf(AuthenticatedCall);
});
