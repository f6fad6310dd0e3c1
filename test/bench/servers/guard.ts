import type { ServerInterceptor } from "@grpc/grpc-js";
import { protect } from "@zero-trust/auth/server";
import { createLog, decisionLog } from "@zero-trust/server";
import type { Given } from "./given.ts";
import { verifiers } from "./verifiers.ts";

/** `protect()` as services have it. Decisions go to standard output, as theirs do; the bench makes that a file. */
export function guardOf(options: Given): { readonly guard: ServerInterceptor; readonly ready: () => Promise<void> } {
  const { protect: protection, policy, ready } = verifiers(options);
  const onDecision = decisionLog(createLog({ name: "ping" }));
  return { guard: protect({ ...protection, policies: [policy], onDecision }), ready };
}
