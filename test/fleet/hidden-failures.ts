import type { LogRecord } from "@zero-trust/infra/service-process";
import { prober } from "./roll-keys.ts";

/**
 * What went wrong by the services' logs though no caller may have seen it, since an attempt was made again or a payment a moment later:
 * each as a sentence.
 */
export function hiddenFailures(log: readonly LogRecord[]): readonly string[] {
  return log.flatMap((record) => {
    const { log: name, outcome, method, reason, cause, peer, msg, code, err } = record;
    if (name === "decision" && outcome !== "allowed" && !String(peer).endsWith(`/${prober}`))
      return [[outcome, method, "of", peer, reason, cause].join(" ")];
    if (msg === "payment not settled yet" || msg === "payment needs attention")
      return [`${msg}: ${String(code)} ${String((err as Partial<Error> | undefined)?.message)}`];
    return [];
  });
}
