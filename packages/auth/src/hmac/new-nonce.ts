import { randomFillSync } from "node:crypto";

/** Random bytes of which each is used once: to get that many at a time costs a tenth of getting them one by one. */
const pool = Buffer.alloc(4096);
const nonceBytes = 16;
let used = pool.length;

/** A nonce that nobody has used: 128 random bits, as 32 hexadecimal digits. */
export function newNonce(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += nonceBytes;
  return pool.toString("hex", used - nonceBytes, used);
}
