import { isOver } from "./fields.ts";

/** What is good with one of several secrets, and how it stands. */
export function stateOf(
  { revokedAt, expiresAt }: { readonly revokedAt?: string; readonly expiresAt?: string },
  secrets: readonly { readonly expiresAt?: string }[],
  nowMs: number,
): "revoked" | "expired" | "rotating" | "live" {
  if (isOver(revokedAt, nowMs)) return "revoked";
  const good = secrets.filter((secret) => !isOver(secret.expiresAt, nowMs));
  if (isOver(expiresAt, nowMs) || good.length === 0) return "expired";
  return good.length > 1 ? "rotating" : "live";
}

/** How something with secrets stands, and until when where that changes by itself. */
export function standing(
  own: { readonly revokedAt?: string; readonly expiresAt?: string },
  secrets: readonly { readonly expiresAt?: string }[],
  nowMs: number,
): { readonly state: string; readonly overlapEndsAt?: string } {
  const state = stateOf(own, secrets, nowMs);
  const ends = secrets.map(({ expiresAt }) => expiresAt);
  const overlapEndsAt = ends.find((each) => each !== undefined && !isOver(each, nowMs));
  return { state, ...(state === "rotating" && overlapEndsAt !== undefined ? { overlapEndsAt } : {}) };
}
