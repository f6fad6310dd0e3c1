import { constants } from "node:http2";
import { Metadata, status } from "@grpc/grpc-js";
import { type AttackAnswer, type GrpcSession, grpcMessage, type HeaderFields } from "@zero-trust/testkit";
import { reasonOf } from "../src/refusal.ts";

/** A call as it goes over the wire: header fields in their order, and messages. */
export interface RawCall {
  readonly path: string;
  readonly headers: HeaderFields;
  readonly messages: readonly Uint8Array[];
}

/** What came of it: `OK`, code and reason, or `reset PROTOCOL_ERROR` where HTTP/2 itself refused it; and the status message. */
export interface RawEnd {
  readonly outcome: string;
  readonly text: string;
}

/** A call may take this long, in milliseconds: many times what it takes on a machine that is busy. */
const hangsAfterMs = 15_000;

/**
 * Makes a call with what a client of grpc-js would not send.
 *
 * @throws Error when it has not ended after 15 s
 */
export async function rawCall(session: GrpcSession, { path, headers, messages }: RawCall): Promise<RawEnd> {
  const body = messages.map((message) => grpcMessage(message));
  const hanging = Promise.withResolvers<never>();
  const timer = setTimeout(() => hanging.reject(new Error("The call hangs.")), hangsAfterMs);
  try {
    const answer = await Promise.race([session.call({ path, headers, body }), hanging.promise]);
    return { outcome: outcomeOf(answer), text: answer.message ?? "" };
  } finally {
    clearTimeout(timer);
  }
}

function outcomeOf({ status: code, resetCode, headers }: AttackAnswer): string {
  if (code === undefined) {
    const names = Object.entries(constants).filter(([name]) => name.startsWith("NGHTTP2_") && !name.includes("_ERR_"));
    const name = names.find(([key, value]) => value === resetCode && /_ERROR$|CANCEL|REFUSED|CALM|SECURITY/.test(key));
    return `reset ${name?.[0].slice("NGHTTP2_".length) ?? resetCode}`;
  }
  if (status[code] === "OK") return "OK";
  const details = headers["grpc-status-details-bin"];
  const metadata = new Metadata();
  if (typeof details === "string") metadata.set("grpc-status-details-bin", Buffer.from(details, "base64"));
  const reason = reasonOf({ metadata });
  return [status[code], ...(reason === undefined ? [] : [reason])].join(" ");
}
