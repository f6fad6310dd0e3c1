import { existsSync } from "node:fs";
import { CommandError } from "../command-line/command-error.ts";
import { revocationListsOf, trustBundleOf } from "./authority.ts";
import { certificatesInUse, type PkiIndex } from "./pki-index.ts";
import { leafIn, readTlsFiles, stageTlsFiles, type TlsFiles } from "./tls-folder.ts";

/** What became of the folders. */
export interface Distributed {
  /** Those that have the new files now. */
  readonly written: readonly string[];
  /** Those that are not there any more, or hold a certificate of somebody else. */
  readonly passedOver: readonly string[];
  /** Why others could not be written, each a sentence. */
  readonly failures: readonly string[];
}

/** Writes the roots and the revocation lists of an index into every folder that it knows, as far as they are not there. */
export function distribute(index: PkiIndex): Distributed {
  const written: string[] = [];
  const passedOver: string[] = [];
  const failures: string[] = [];
  const files = { "ca.crt": trustBundleOf(index), "ca.crl": revocationListsOf(index) };
  for (const folder of certificatesInUse(index).keys()) {
    try {
      // A folder that has become another PKI's would trust ours from now on.
      if (!isOurs(index, folder)) passedOver.push(folder);
      else if (writeTlsFiles(folder, files)) written.push(folder);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      failures.push(error.message);
    }
  }
  return { written, passedOver, failures };
}

/** Writes files into a folder; false when it has them already. */
export function writeTlsFiles(folder: string, files: TlsFiles): boolean {
  const shown: Partial<Record<string, string>> = readTlsFiles(folder);
  if (Object.entries(files).every(([name, content]) => shown[name] === content)) return false;
  stageTlsFiles(folder, files).publish();
  return true;
}

/** The folders that are still there and have one of our certificates. */
export function foldersInUse(index: PkiIndex): readonly string[] {
  return [...certificatesInUse(index).keys()].filter((folder) => isOurs(index, folder));
}

function isOurs(index: PkiIndex, folder: string): boolean {
  const serial = existsSync(folder) ? leafIn(folder)?.serialNumber.toLowerCase() : undefined;
  return serial !== undefined && index.certificates.some((each) => each.serial === serial);
}
