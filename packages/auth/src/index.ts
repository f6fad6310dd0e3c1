export type { DecisionEvent } from "./decision-event.ts";
export { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
export { type Identity, identityOf } from "./identity.ts";
export {
  definePolicy,
  type MethodPolicy,
  type MethodRules,
  PolicyError,
  policyOf,
  type Rule,
  type ServicePolicy,
} from "./policy.ts";
export { errorDomain, reasonOf, retryAfterMsOf, serverTimeOf, wasLetIn } from "./refusal.ts";
