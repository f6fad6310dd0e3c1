import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PkiIndex } from "@zero-trust/infra/pki/pki-index";
import { createCa, type TestCa } from "@zero-trust/testkit";
import type { Stack } from "../stack/stack.ts";

/** The deployment's own CA in the hands of a tester: it issues certificates that no honest CA would. */
export async function deploymentCa({ deployment }: Stack): Promise<TestCa> {
  const index = JSON.parse(readFileSync(join(deployment.pki, "index.json"), "utf8")) as PkiIndex;
  const authority = index.authorities.find(({ id }) => id === index.active);
  if (authority === undefined) throw new Error("The deployment has no CA.");
  const key = (folder: string) => readFileSync(join(deployment.pki, folder, `${authority.id}.key`), "utf8");
  return await createCa({
    authority: {
      root: { certificate: authority.root.certificate, key: key("root-keys") },
      intermediate: { certificate: authority.intermediate.certificate, key: key("intermediate-keys") },
    },
  });
}
