import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a server shows and whom it trusts, PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** A folder that is gone with this process, whatever becomes of it. */
export interface ServerFolder extends Disposable {
  readonly path: string;
  /** Whose it is. */
  readonly uid: number;
  /** Writes a file that its owner alone can read. */
  write(name: string, content: string): string;
}

/** Who owns nothing, for a server that must not be root; undefined where this process is not root either. */
export const nobody: number | undefined = process.getuid?.() === 0 ? 65_534 : undefined;

/** Makes the folder of one server, which belongs to a user when one is given. */
export function serverFolder(name: string, owner?: number): ServerFolder {
  const path = mkdtempSync(join(tmpdir(), `${name}-`));
  const give = (file: string) => {
    if (owner !== undefined) chownSync(file, owner, owner);
  };
  give(path);
  const remove = () => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  process.once("exit", remove);
  return {
    path,
    uid: statSync(path).uid,
    write(file, content) {
      const written = join(path, file);
      writeFileSync(written, content, { mode: 0o600 });
      give(written);
      return written;
    },
    [Symbol.dispose]() {
      process.off("exit", remove);
      remove();
    },
  };
}

/** A port of loopback that was free just now: these servers do not say which one they have taken. */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().once("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
  });
  return await promise;
}
