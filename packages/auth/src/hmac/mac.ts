import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";

/**
 * Whether a signature is the HMAC-SHA256 of these bytes (RFC 2104), compared in constant time.
 *
 * @param parts - one after the other; texts by their UTF-8
 * @param signature - 64 hexadecimal digits
 * @throws RangeError when it has another length
 */
export function isMacOf(secret: KeyObject, parts: readonly (string | Uint8Array)[], signature: string): boolean {
  const mac = createHmac("sha256", secret);
  for (const part of parts) mac.update(part);
  return timingSafeEqual(mac.digest(), Buffer.from(signature, "hex"));
}
