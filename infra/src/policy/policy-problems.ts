import type { DescService } from "@bufbuild/protobuf";
import { policyOf } from "@zero-trust/auth";
import { checkPolicy, describe } from "@zero-trust/auth/explain";
import { didYouMean } from "../command-line/nearest.ts";
import { declaredScopes, declaredState } from "./declared.ts";
import type { Holders } from "./holders.ts";
import { type PolicedService, services } from "./services.ts";
import { waysIn } from "./ways-in.ts";

/** What is wrong with policies, a sentence each. */
export interface PolicyProblems {
  /** What a service would not start with, or nobody could have meant. */
  readonly errors: readonly string[];
  /** Rules that nobody can meet today. */
  readonly warnings: readonly string[];
}

/**
 * Looks for methods without a policy, rules that no verifier of their service can meet, scopes that are not declared, and
 * rules that nobody who is declared can meet.
 *
 * @param found - the services that there are; each has to be among the deployment's
 */
export function policyProblems(
  found: readonly DescService[],
  holders: Holders = declaredState(),
  deployed: readonly PolicedService[] = services,
  scopes: Readonly<Record<string, string>> = declaredScopes(),
): PolicyProblems {
  const errors: string[] = [];
  const warnings: string[] = [];
  for (const descriptor of found) {
    const service = deployed.find(({ descriptor: { typeName } }) => typeName === descriptor.typeName);
    if (service === undefined) {
      errors.push(
        `${descriptor.typeName} is not in infra/src/policy/services.ts, so nobody knows who verifies what for it.`,
      );
      continue;
    }
    for (const method of policyOf(descriptor)) {
      try {
        checkPolicy([method], service.verified);
      } catch (error) {
        errors.push((error as Error).message);
        continue;
      }
      for (const rule of method.rules) {
        for (const scope of rule.scopes.filter((each) => !Object.hasOwn(scopes, each))) {
          const near = didYouMean(scope, Object.keys(scopes));
          errors.push(`${method.path} asks for "${scope}", which is not in infra/grants/scopes.json.${near}`);
        }
        if (waysIn(method, rule, service, holders).length === 0) {
          warnings.push(`Nobody who is declared can call ${method.path} by ${describe(rule)}.`);
        }
      }
    }
  }
  return { errors, warnings };
}
