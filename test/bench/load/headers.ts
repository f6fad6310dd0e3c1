import { createHmac, createSecretKey, type KeyObject, randomFillSync } from "node:crypto";
import type { OutgoingHttpHeaders } from "node:http2";
import type { CallerMaterial } from "../material.ts";
import type { Messages } from "./messages.ts";
import type { Target } from "./orders.ts";

/**
 * Makes the headers of one call after another, each with what is its alone: a nonce and a signature. A connection keeps to one token and
 * one signing key, as a client does; where there are more tokens than connections, they are shown in turn.
 */
export function headersMaker(
  { presents, port, connections }: Target,
  caller: Omit<CallerMaterial, "tls">,
  messages: Messages,
) {
  const fixed: OutgoingHttpHeaders = {
    ":method": "POST",
    ":path": messages.path,
    ":authority": `ping.production.internal:${port}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...(presents.includes("API_KEY") ? { "x-api-key": caller.apiKey } : {}),
  };
  const authorizations = caller.tokens.map((token) => `Bearer ${token}`);
  const keys = caller.signingKeys.map(({ id, secret }) => ({ id, key: createSecretKey(secret, "ascii") }));
  const hasToken = presents.includes("BEARER");
  const hasSignature = presents.includes("HMAC");
  const isInTurn = authorizations.length > connections;
  let count = 0;
  return (lane: number): OutgoingHttpHeaders => {
    const connection = lane % connections;
    const headers: OutgoingHttpHeaders = { ...fixed };
    if (hasToken) headers["authorization"] = authorizations[(isInTurn ? count : connection) % authorizations.length];
    if (hasSignature) {
      const { id, key } = keys[connection % keys.length] as { readonly id: string; readonly key: KeyObject };
      sign(headers, { id, key, messages });
    }
    count += 1;
    return headers;
  };
}

interface Signing {
  readonly id: string;
  readonly key: KeyObject;
  readonly messages: Messages;
}

function sign(headers: OutgoingHttpHeaders, { id, key, messages }: Signing): void {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = randomHex();
  const mac = createHmac("sha256", key)
    .update(`POST\n${messages.path}\n${timestamp}\n${nonce}\n`)
    .update(messages.first);
  headers["x-api-key"] = id;
  headers["x-timestamp"] = timestamp;
  headers["x-nonce"] = nonce;
  headers["x-signature"] = mac.digest("hex");
}

/** Random bytes are asked for many at a time: one by one they would be a good part of what the load costs. */
const pool = Buffer.alloc(64 * 1024);
let used = pool.length;

function randomHex(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 16;
  return pool.toString("hex", used - 16, used);
}
