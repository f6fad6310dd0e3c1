import type { Metadata } from "@grpc/grpc-js";
import { causeOf, type OpenVerification, unavailable, verificationIn } from "./answers.ts";
import type { CallBudget } from "./call-budget.ts";
import type { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { CallFacts, Verifier } from "./verifier.ts";

/** What a verifier said of the credential that it is for. */
export interface Presented extends OpenVerification {
  readonly credential: Credential;
}

/** The verifiers of the credentials that a call presents and that a remaining rule names: those that are looked at. */
export function presentedOf(
  verifiers: readonly Verifier[],
  metadata: Metadata,
  { named }: Pick<CallFacts, "named">,
): readonly Verifier[] {
  return verifiers.filter((verifier) => named.has(verifier.credential) && verifier.isPresented(metadata, named));
}

/**
 * Step 3: has every presented credential verified, once, and all at the same time. What a verifier throws, or does not say in
 * time, is "could not check": never in, never "wrong".
 */
export function verifyPresented(
  presented: readonly Verifier[],
  metadata: Metadata,
  call: CallFacts,
  wait: CallBudget["wait"],
): Promise<readonly Presented[]> {
  return Promise.all(
    presented.map(async (verifier) => ({
      credential: verifier.credential,
      ...(await ask(verifier, metadata, call, wait)),
    })),
  );
}

async function ask(
  verifier: Verifier,
  metadata: Metadata,
  call: CallFacts,
  wait: CallBudget["wait"],
): Promise<OpenVerification> {
  try {
    return verificationIn(
      await wait<unknown>(() => ("open" in verifier ? verifier.open(metadata, call) : verifier.verify(metadata, call))),
    );
  } catch (error) {
    return { finding: unavailable(causeOf(error)) };
  }
}
