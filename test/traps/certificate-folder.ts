import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import type { IssuedCertificate } from "@zero-trust/testkit";

export interface CertificateFolder extends Disposable {
  readonly path: string;
  write(name: "tls.crt" | "tls.key" | "ca.crt", text: string): void;
  /** What grpc-js brings to follow it. */
  watch(): InstanceType<typeof grpc.experimental.FileWatcherCertificateProvider>;
}

/** A certificate, its key and its CA in a temporary folder, with the names that Kubernetes gives them. */
export function certificateFolder({ cert, key, ca }: IssuedCertificate): CertificateFolder {
  const path = mkdtempSync(join(tmpdir(), "traps-"));
  const write: CertificateFolder["write"] = (name, text) => writeFileSync(join(path, name), text);
  write("tls.crt", cert);
  write("tls.key", key);
  write("ca.crt", ca);
  return {
    path,
    write,
    watch: () =>
      new grpc.experimental.FileWatcherCertificateProvider({
        certificateFile: join(path, "tls.crt"),
        privateKeyFile: join(path, "tls.key"),
        caCertificateFile: join(path, "ca.crt"),
        refreshIntervalMs: 50,
      }),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}
