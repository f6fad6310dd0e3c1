import type { OutgoingHttpHeaders } from "node:http2";
import type { CallerMaterial } from "../material.ts";
import type { Asked } from "../servers/given.ts";
import { type CalledTarget, openTarget } from "./called-target.ts";
import type { ControlSaid } from "./orders.ts";

type Spoil = (headers: OutgoingHttpHeaders) => void;

/** For each credential: the calls that lack it, or have it wrong. */
const spoils: Readonly<Record<Asked, Readonly<Record<string, Spoil>>>> = {
  MTLS: {},
  API_KEY: {
    "no API key": (headers) => delete headers["x-api-key"],
    "another API key": (headers) => change(headers, "x-api-key"),
  },
  BEARER: {
    "no token": (headers) => delete headers["authorization"],
    "a token with another signature": (headers) => change(headers, "authorization"),
  },
  HMAC: {
    "no signature": (headers) => delete headers["x-signature"],
    "another signature": (headers) => change(headers, "x-signature"),
  },
};

/** Shows that a server is no open door: makes each call that lacks one thing or has it wrong, and the same call done right. */
export async function control(called: CalledTarget, caller: CallerMaterial): Promise<ControlSaid> {
  const { target } = called;
  const outcomeOf = (headers: OutgoingHttpHeaders) =>
    new Promise<string>((resolve) => {
      called.call(0, (fault) => resolve(fault ?? "let in"), headers);
    });
  const wrong: Record<string, string> = {};
  if (!target.plaintext) wrong["no certificate"] = await outcomeWithout(called, caller);
  const asked = target.unread ? [] : target.presents;
  for (const [name, spoil] of asked.flatMap((one) => Object.entries(spoils[one]))) {
    const headers = called.headers(0);
    spoil(headers);
    wrong[name] = await outcomeOf(headers);
  }
  const headers = called.headers(0);
  const right = await outcomeOf(headers);
  if (asked.includes("HMAC")) wrong["the same signature again"] = await outcomeOf(headers);
  return { wrong, right };
}

/** Makes the call over a connection without a certificate: there are servers that say no only then. */
async function outcomeWithout({ target }: CalledTarget, caller: CallerMaterial): Promise<string> {
  try {
    const called = await openTarget({ ...target, connections: 1 }, { ...caller, tls: { ca: caller.tls.ca } });
    const fault = await new Promise<string | undefined>((resolve) => called.call(0, resolve));
    called.close();
    return fault ?? "let in";
  } catch {
    return "no connection";
  }
}

/** Puts another character in the middle of the last part of a value: in a token that is its signature. */
function change(headers: OutgoingHttpHeaders, name: string): void {
  const value = String(headers[name]);
  const at = value.length - 12;
  headers[name] = `${value.slice(0, at)}${value[at] === "a" ? "b" : "a"}${value.slice(at + 1)}`;
}
