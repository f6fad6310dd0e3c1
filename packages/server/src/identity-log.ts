import type { TlsIdentityEvent } from "@zero-trust/mtls";
import { type Log, recordLog } from "./log.ts";

/**
 * Makes what writes down the fate of a process's certificates, whatever the level of the log: that others are in use, that a change
 * was not taken and why, and what ends soon.
 *
 * @example
 * ```ts
 * import { identityFromDirectory } from "@zero-trust/mtls";
 * import { createLog, identityLog } from "@zero-trust/server";
 *
 * const log = createLog({ name: "ping" });
 * const identity = identityFromDirectory("/run/secrets/tls", { onEvent: identityLog(log) });
 * ```
 */
export function identityLog(log: Log): (event: TlsIdentityEvent) => void {
  const records = recordLog(log, "connection");
  return function record(event) {
    switch (event.type) {
      case "reloaded": {
        const { thumbprint, expiresAtMs } = event;
        records.info({ certificate: thumbprint, expiresAt: new Date(expiresAtMs) }, "certificates reloaded");
        break;
      }
      case "rejected":
        // Its message is a sentence, and it has no cause that could quote a file.
        records.error({ reason: event.error.message }, "certificates not reloaded; those before stay in use");
        break;
      case "expiring":
        records.warn({ what: event.what, endsAt: new Date(event.endsAtMs) }, "a certificate or list ends soon");
        break;
    }
  };
}
