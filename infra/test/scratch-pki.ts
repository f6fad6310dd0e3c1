import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommands } from "../src/command-line/run-commands.ts";
import { pkiCommands } from "../src/pki/commands.ts";

/** A folder for one test, in which commands are typed at a time of the test's choice. */
export interface ScratchPki extends Disposable {
  readonly folder: string;
  /** Everything that was printed, and every refusal. */
  readonly said: string[];
  /** Epoch milliseconds; may be moved. */
  nowMs: number;
  /** Types `pnpm zt pki …`, with paths below the folder where an argument begins with `./`; gives what it printed. */
  type(...argv: readonly string[]): Promise<string>;
  /** Its refusal. */
  refusal(...argv: readonly string[]): Promise<string>;
  read(path: string): string;
  leaf(folder: string): X509Certificate;
}

export function scratchPki(): ScratchPki {
  const folder = mkdtempSync(join(tmpdir(), "zero-trust-pki-"));
  const said: string[] = [];
  const scratch: ScratchPki = {
    folder,
    said,
    nowMs: Date.now(),
    async type(...argv) {
      const printed: string[] = [];
      const print = (line: string) => {
        // A line of Base64 is a part of one, too.
        if (/PRIVATE KEY|^[A-Za-z0-9+/=]{60,}$/m.test(line)) throw new Error("A private key was printed.");
        printed.push(line);
      };
      const args = argv.map((each) => (each.startsWith("./") ? join(folder, each) : each));
      try {
        await runCommands("pki", pkiCommands, args, { print, note: print, now: () => scratch.nowMs });
      } finally {
        said.push(...printed);
      }
      return printed.join("\n");
    },
    async refusal(...argv) {
      const refusal = await scratch.type(...argv).then(
        () => "",
        (error: unknown) => (error as Error).message,
      );
      said.push(refusal);
      return refusal;
    },
    read: (path) => readFileSync(join(folder, path), "utf8"),
    leaf: (path) => new X509Certificate(scratch.read(`${path}/tls.crt`)),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
  return scratch;
}

/** A scratch folder with a PKI in `./pki`. */
export async function scratchWithPki(): Promise<ScratchPki> {
  const scratch = scratchPki();
  await scratch.type("init", "--dir", "./pki");
  return scratch;
}

/** The lists of a PEM text, as Node wants them: of a text with several it reads the first alone. */
export function listsIn(pem: string): string[] {
  return pem.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----\n/g) ?? [];
}
