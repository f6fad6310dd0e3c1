import { identityFromMemory, type TlsIdentity } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";

const ca = createCa();
const leaf = ca.then((its) => its.issue({ spiffeId: "spiffe://production.internal/vectors" }));

/**
 * A good identity of our own, which trusts the roots of a case besides its own.
 *
 * @throws {TlsIdentityError} when they are no roots
 */
export async function ourselves(trusted: readonly string[]): Promise<TlsIdentity> {
  const { cert, key, ca: root } = await leaf;
  return identityFromMemory({ cert, key, ca: [root, ...trusted].join("\n") });
}
