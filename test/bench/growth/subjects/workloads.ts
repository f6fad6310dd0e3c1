import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Credential } from "@zero-trust/auth";
import { grantsFile } from "@zero-trust/auth/stores/file";
import { weighed } from "../../../scaling/collected.ts";
import { deciding } from "../deciding.ts";
import { presentedPeers } from "../presented-peer.ts";
import type { Subject } from "../subject.ts";

const DECISIONS = 2_000;
/** Above what one may ask for at once: nobody is held up. */
const path = "/growth.v1.Growth/Read";

/** Workloads that all have grants and have all called, so that their calls are counted. */
export const workloads: Subject = {
  what: "workloads with grants and limits",
  sizes: [1, 100, 1_000, 10_000],
  quickSize: 1_000,
  works: {
    decision: { what: "decision of a call with a certificate alone", times: DECISIONS },
    reading: { what: "the grants file read again", times: 3, isForAll: true },
  },
  async grow(size) {
    const peers = await presentedPeers(size);
    const folder = mkdtempSync(join(tmpdir(), "growth-"));
    process.once("exit", () => rmSync(folder, { recursive: true }));
    const file = join(folder, "grants.json");
    const entries = peers.map(({ spiffeId }, index) => ({
      spiffeId,
      client: `client-${index}`,
      scopes: ["read:test"],
    }));
    writeFileSync(file, JSON.stringify({ grants: entries }));
    const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
    const { made, bytes } = await weighed(async () => {
      const grants = grantsFile(file);
      const policies = [[{ path, requestStream: false, hasSideEffects: false, rules }]];
      const decide = deciding({ policies, grants, now: Date.now });
      for (const peer of peers) await decide({ path, peer, metadata: {} });
      return decide;
    });
    return {
      bytes,
      works: {
        decision() {
          const peer = peers[randomInt(size)];
          return peer === undefined ? undefined : made({ path, peer, metadata: {} });
        },
        reading: () => grantsFile(file).close(),
      },
    };
  },
};
