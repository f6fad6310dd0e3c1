import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { withLock } from "../command-line/lock.ts";
import { replaceFile } from "../command-line/replace-file.ts";
import { newAuthority } from "./authority.ts";
import { type PkiIndex, writeIndex } from "./pki-index.ts";
import { type Place, rootKeyFolder } from "./place.ts";

/**
 * SPIFFE-ID §2.1 allows more: this is a DNS name too, since every workload gets one below it, and a part of a common name, which
 * has at most 64 characters (RFC 5280 §A.1).
 */
const TRUST_DOMAIN = /^(?=.{1,48}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Makes a PKI in a folder that is not there or empty: root, intermediate, their keys, empty revocation lists, an empty index.
 *
 * @throws {CommandError} when something is there already, and leaves it alone
 */
export async function initPki(
  place: Place,
  { trustDomain, nowMs }: { readonly trustDomain: string; readonly nowMs: number },
): Promise<PkiIndex> {
  if (!TRUST_DOMAIN.test(trustDomain)) {
    throw new CommandError(
      `"${trustDomain}" cannot be a trust domain: a DNS name in lower case of at most 48 characters, as in production.internal.`,
    );
  }
  try {
    mkdirSync(place.pki, { recursive: true, mode: 0o700 });
    refuseContent(place.pki);
    refuseContent(rootKeyFolder(place));
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(`${place.pki} cannot be made: ${systemReason(cause)}.`, { cause });
  }
  return withLock(
    join(place.pki, "lock"),
    async () => {
      // Of two processes the second has waited, and finds what the first one made.
      if (existsSync(join(place.pki, "index.json"))) refuseContent(place.pki);
      // Private keys are not for a repository, wherever this folder may lie.
      replaceFile(join(place.pki, ".gitignore"), "*\n", 0o644);
      const authority = await newAuthority(place, { id: 1, trustDomain, nowMs });
      const index: PkiIndex = { version: 1, trustDomain, active: 1, authorities: [authority], certificates: [] };
      writeIndex(place.pki, index);
      return index;
    },
    { what: "the PKI" },
  );
}

function refuseContent(folder: string): void {
  if (!existsSync(folder) || readdirSync(folder).every((name) => name === "lock")) return;
  throw new CommandError(`${folder} is not empty; choose a new folder, so that nothing in it is lost.`);
}
