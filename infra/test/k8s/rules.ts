import { availabilityRules } from "./availability-rules.ts";
import { certificateRules } from "./certificate-rules.ts";
import { configurationRules } from "./configuration-rules.ts";
import { networkRules } from "./network-rules.ts";
import { podRules } from "./pod-rules.ts";
import type { Rule } from "./rule.ts";

/** Everything that has to hold of a fleet. */
export const rules: readonly Rule[] = [
  ...podRules,
  ...networkRules,
  ...certificateRules,
  ...configurationRules,
  ...availabilityRules,
];
