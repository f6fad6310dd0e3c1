import type { Metadata } from "@grpc/grpc-js";
import { causeOf, type OpenVerification, unavailable, verificationIn } from "./answers.ts";
import type { CallBudget } from "./call-budget.ts";
import type { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { CallFacts, Verifier } from "./verifier.ts";
import { type Answer, allAnswers, orElse, withAnswer } from "./with-answer.ts";

/** What a verifier said of the credential that it is for. */
export interface Presented {
  readonly credential: Credential;
  readonly verification: OpenVerification;
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
): Answer<readonly Presented[]> {
  return allAnswers(
    presented.map((verifier) => {
      const { credential } = verifier;
      return orElse<Presented>(
        () => {
          const answer: unknown = "open" in verifier ? verifier.open(metadata, call) : verifier.verify(metadata, call);
          return withAnswer(wait(answer), (it) => ({ credential, verification: verificationIn(it) }));
        },
        (error) => ({ credential, verification: { finding: unavailable(causeOf(error)) } }),
      );
    }),
  );
}
