import { createHmac, randomBytes } from "node:crypto";
import { Credential } from "@zero-trust/auth";
import { newSigningKey } from "@zero-trust/auth/issue";
import { hmac, memoryNonceStore, signingSecret } from "@zero-trust/auth/server";
import { weighed } from "../../../scaling/collected.ts";
import { deciding, type IncomingCall } from "../deciding.ts";
import { presentedPeers } from "../presented-peer.ts";
import type { Subject } from "../subject.ts";

const DECISIONS = 2_000;
const CLAIMS = 20_000;
/** So much more than were asked for, before they are made anew. */
const MORE = 0.1;
/** All of them are forgotten after so long: the window and more. */
const FORGOTTEN_MS = 1_000_000;
const WINDOW_SECONDS = 300;
/** Callers whose nonces they are. */
const CALLERS = 10;
const audience = "https://payment.production.internal";
const path = "/growth.v1.Growth/Pay";

/** Live nonces in memory, from the whole window of timestamps: a steady load of signed calls. */
export const nonces: Subject = {
  what: "live nonces in memory",
  // Those that are measured with are added: fewer would be more.
  sizes: [1_000, 10_000, 100_000, 1_000_000],
  quickSize: 100_000,
  works: {
    decision: { what: "decision of a signed call", times: DECISIONS },
    claim: { what: "a nonce claimed", times: CLAIMS },
  },
  async grow(size) {
    let nowMs = Date.now();
    const nowSeconds = () => Math.floor(nowMs / 1_000);
    const maxNonces = Math.ceil(size * (1 + MORE)) + DECISIONS + CLAIMS;
    const store = memoryNonceStore({ maxNonces, maxNoncesPerKey: maxNonces, now: () => nowMs - FORGOTTEN_MS });
    const { id, secret } = newSigningKey();
    const key = {
      id,
      client: "order-service",
      audience,
      scopes: new Set(["write:test"]),
      secret: signingSecret(secret),
    };
    const rules = [{ credentials: [Credential.HMAC], scopes: ["write:test"] }];
    const decide = deciding({
      policies: [[{ path, requestStream: false, hasSideEffects: true, rules }]],
      credentials: [hmac({ audience, nonces: store, keys: { find: () => key } })],
      now: () => nowMs,
    });
    const [peer] = await presentedPeers(1);
    if (peer === undefined) throw new Error("There is no peer.");
    const message = randomBytes(200);
    const signed = (index: number): IncomingCall => {
      const [timestamp, nonce] = [String(nowSeconds() - (index % WINDOW_SECONDS)), randomBytes(16).toString("hex")];
      const mac = createHmac("sha256", key.secret).update(`POST\n${path}\n${timestamp}\n${nonce}\n`).update(message);
      const signature = { "x-nonce": nonce, "x-timestamp": timestamp, "x-signature": mac.digest("hex") };
      return { path, peer, message, metadata: { "x-api-key": id, ...signature } };
    };
    const use = (index: number) => ({
      keyId: index < 0 ? id : `hk-growth${index % CALLERS}`,
      hash: randomBytes(32).toString("base64url"),
      timestampSeconds: nowSeconds() - (Math.abs(index) % WINDOW_SECONDS),
      nowSeconds: nowSeconds(),
    });
    const fill = () => {
      for (let index = 0; index < size; index += 1) {
        if (store.claim(use(index)) !== "new") throw new Error("A nonce was not taken.");
      }
    };
    const { bytes } = await weighed(fill);
    let calls: IncomingCall[] = [];
    let uses: ReturnType<typeof use>[] = [];
    return {
      bytes,
      works: {
        async decision() {
          const call = calls.pop();
          if (call !== undefined) await decide(call);
        },
        claim() {
          const next = uses.pop();
          if (next !== undefined) store.claim(next);
        },
      },
      restore() {
        if (store.size > size * (1 + MORE)) {
          nowMs += FORGOTTEN_MS;
          fill();
        }
        calls = Array.from({ length: DECISIONS }, (_, index) => signed(index));
        uses = Array.from({ length: CLAIMS }, (_, index) => use(-index - 1));
      },
    };
  },
};
