import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "./gen/google/rpc/status_pb.ts";
import { Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";

/** The domain of our `google.rpc.ErrorInfo`. */
export const errorDomain = "auth.zerotrust";

/** When to try again where nobody knows better: long enough for a restart, short enough for a person. */
const usualWaitMs = 1_000;

/** All that a caller is ever told. The sentences are fixed: the cause goes to the decision log alone. */
const answers: Readonly<Record<string, { readonly code: status; readonly sentence: string }>> = {
  PEER_INVALID: { code: status.UNAUTHENTICATED, sentence: "The client certificate does not identify a workload." },
  CREDENTIAL_MISSING: { code: status.UNAUTHENTICATED, sentence: "A credential that this method needs is missing." },
  CREDENTIAL_INVALID: { code: status.UNAUTHENTICATED, sentence: "A credential is not valid." },
  CREDENTIAL_EXPIRED: { code: status.UNAUTHENTICATED, sentence: "A credential is outside its time." },
  CREDENTIAL_REPLAYED: { code: status.UNAUTHENTICATED, sentence: "This request was seen before." },
  CLIENT_MISMATCH: { code: status.UNAUTHENTICATED, sentence: "The credentials belong to different clients." },
  PEER_NOT_GRANTED: { code: status.PERMISSION_DENIED, sentence: "The workload may not call this method." },
  SCOPE_MISSING: { code: status.PERMISSION_DENIED, sentence: "The credentials lack a scope that this method needs." },
  CHECK_UNAVAILABLE: { code: status.UNAVAILABLE, sentence: "A credential could not be checked; try again." },
  RATE_LIMITED: { code: status.RESOURCE_EXHAUSTED, sentence: "Too many calls; try again later." },
};

/** The name of a reason as it stands in `ErrorInfo.reason`: `CREDENTIAL_MISSING`, without the enum's prefix. */
export function reasonName(reason: Reason): string {
  return Object.entries(Reason).find(([, value]) => value === reason)?.[0] ?? "UNSPECIFIED";
}

/**
 * The status that a refused caller gets: code and sentence of the reason, with `google.rpc.ErrorInfo` and, where trying
 * again can help, `google.rpc.RetryInfo`.
 *
 * @param reason - why the call is refused
 * @param nowMs - the server's time in milliseconds since 1970, told where the caller's clock may be the cause
 * @param options - `ended`: the call had been let in, so its handler may have acted, and sending it again is not safe;
 *   `retryAfterMs`: when it is worth trying again, where that is known
 */
export function refusal(
  reason: Reason,
  nowMs: number,
  { ended = false, retryAfterMs = usualWaitMs }: { readonly ended?: boolean; readonly retryAfterMs?: number } = {},
): StatusObject {
  const name = reasonName(reason);
  const answer = answers[name];
  // A reason without an answer would be a defect of ours; the caller is refused all the same.
  if (answer === undefined) return { code: status.INTERNAL, details: "", metadata: new Metadata() };
  const { code, sentence } = answer;
  const info = create(ErrorInfoSchema, { reason: name, domain: errorDomain });
  if (reason === Reason.CREDENTIAL_EXPIRED) info.metadata["server_time"] = String(Math.floor(nowMs / 1000));
  if (ended) info.metadata["ended"] = "true";
  const details = [anyPack(ErrorInfoSchema, info)];
  if (code === status.UNAVAILABLE || code === status.RESOURCE_EXHAUSTED) {
    const retryDelay = durationFromMs(retryAfterMs);
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  const metadata = new Metadata();
  const rich = create(StatusSchema, { code, message: sentence, details });
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, rich)));
  return { code, details: sentence, metadata };
}

/**
 * Reads why a call was refused from the error that a client got.
 *
 * @param error - the `ServiceError` of grpc-js, or any error that carries the trailers in `metadata`
 * @returns the name of a `zerotrust.auth.v1.Reason`, `CREDENTIAL_EXPIRED` for instance; undefined when the refusal is
 *   not ours or the details cannot be read
 * @example
 * ```ts
 * import type { ServiceError } from "@grpc/grpc-js";
 * import { reasonOf, wasLetIn } from "@zero-trust/auth";
 *
 * // The server could not look a credential up, and the handler has not seen the call.
 * export const maySendAgain = (error: ServiceError): boolean =>
 *   reasonOf(error) === "CHECK_UNAVAILABLE" && !wasLetIn(error);
 * ```
 */
export function reasonOf(error: { readonly metadata?: Metadata | undefined }): string | undefined {
  return errorInfoOf(error)?.reason;
}

/**
 * Reads the server's time from a refusal for being outside the time window.
 *
 * @param error - the `ServiceError` of grpc-js, or any error that carries the trailers in `metadata`
 * @returns Unix seconds; undefined where the refusal carries none
 */
export function serverTimeOf(error: { readonly metadata?: Metadata | undefined }): number | undefined {
  const seconds = errorInfoOf(error)?.metadata["server_time"];
  return seconds !== undefined && /^[0-9]{1,12}$/.test(seconds) ? Number(seconds) : undefined;
}

/**
 * What a handler answers when it passes on the error of a call of its own: another server's refusal is not one of this call.
 *
 * @returns the status without the details of a refusal; its code and sentence stay
 */
export function withoutRefusal<S extends { readonly metadata?: Metadata | null | undefined }>(answer: S): S {
  const { metadata } = answer;
  if (metadata === null || metadata === undefined || errorInfoOf({ metadata }) === undefined) return answer;
  const rest = metadata.clone();
  rest.remove("grpc-status-details-bin");
  return { ...answer, metadata: rest };
}

/**
 * Tells whether a refused call had been let in before: it ran, and was ended when its credentials were not good any more. Then it
 * may have taken effect, and nothing may send it again by itself.
 *
 * @param error - the `ServiceError` of grpc-js, or any error that carries the trailers in `metadata`
 */
export function wasLetIn(error: { readonly metadata?: Metadata | undefined }): boolean {
  return errorInfoOf(error)?.metadata["ended"] !== undefined;
}

/**
 * Reads from a refusal when it is worth sending the call again: `RATE_LIMITED` and `CHECK_UNAVAILABLE` say so.
 *
 * @param error - the `ServiceError` of grpc-js, or any error that carries the trailers in `metadata`
 * @returns milliseconds; undefined where the refusal says nothing of it
 */
export function retryAfterMsOf(error: { readonly metadata?: Metadata | undefined }): number | undefined {
  if (errorInfoOf(error) === undefined) return undefined;
  const { retryDelay } = detailsOf(error, RetryInfoSchema)[0] ?? {};
  const ms = retryDelay === undefined ? undefined : durationMs(retryDelay);
  return ms !== undefined && ms >= 0 ? ms : undefined;
}

function errorInfoOf(error: { readonly metadata?: Metadata | undefined }) {
  return detailsOf(error, ErrorInfoSchema).find(({ domain }) => domain === errorDomain);
}

function detailsOf<D extends DescMessage>(
  error: { readonly metadata?: Metadata | undefined },
  schema: D,
): readonly MessageShape<D>[] {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    const rich = fromBinary(StatusSchema, new Uint8Array(bytes));
    return rich.details.flatMap((detail) => anyUnpack(detail, schema) ?? []);
  } catch {
    return []; // whatever it is, it is no refusal of ours
  }
}
