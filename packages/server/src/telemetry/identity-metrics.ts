import type { DirectoryIdentity, MutualTlsChannels, TlsIdentity } from "@zero-trust/mtls";
import type { Instruments } from "./instruments.ts";

/** Observes when the certificates of an identity end, and, where they are followed, what became of their changes. */
export function observeIdentity({ observe }: Instruments, identity: TlsIdentity): void {
  observe("zt.tls.expiry_timestamp_seconds", () => {
    const { caEndsAtMs, crlEndsAtMs } = statusOf(identity) ?? {};
    const ends = { certificate: identity.expiresAtMs, ca: caEndsAtMs, crl: crlEndsAtMs };
    return Object.entries(ends).map(([what, ms]) => ({
      value: ms === undefined ? undefined : ms / 1000,
      labels: { what },
    }));
  });
  observe("zt.tls.reloads", () => {
    const { reloads, rejected } = statusOf(identity) ?? {};
    return [
      { value: reloads, labels: { result: "taken" } },
      { value: rejected, labels: { result: "rejected" } },
    ];
  });
}

/** Observes when the first of the certificates ends that calls over channels show. */
export function observeChannels(
  { observe }: Instruments,
  channels: readonly Pick<MutualTlsChannels, "expiresAtMs">[],
): void {
  observe("zt.tls.expiry_timestamp_seconds", () => {
    const ends = channels.flatMap(({ expiresAtMs }) => expiresAtMs ?? []);
    return [{ value: ends.length === 0 ? undefined : Math.min(...ends) / 1000, labels: { what: "shown" } }];
  });
}

function statusOf(identity: TlsIdentity): ReturnType<DirectoryIdentity["status"]> | undefined {
  return "status" in identity ? (identity as DirectoryIdentity).status() : undefined;
}
