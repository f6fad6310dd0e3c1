import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SecureContextOptions } from "node:tls";
import type { Workload } from "@zero-trust/infra/names";
import type { Stack } from "../stack/stack.ts";

/** Who is shown in a handshake: a workload of the deployment, or a certificate and options of the attacker's. */
export type Showing = Workload | SecureContextOptions;

/** The certificate and key of a workload as they are now; what an attacker has made himself, as it is. */
export function shownBy(stack: Pick<Stack, "deployment">, showing: Showing): SecureContextOptions {
  return typeof showing === "string" ? certificateOf(stack, showing) : showing;
}

/** The certificate and key of a workload as they are now. */
export function certificateOf(
  { deployment }: Pick<Stack, "deployment">,
  workload: Workload,
): { readonly cert: string; readonly key: string } {
  const file = (name: string) => readFileSync(join(deployment.tlsFolder(workload), name), "utf8");
  return { cert: file("tls.crt"), key: file("tls.key") };
}
