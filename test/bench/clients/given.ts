import { optionsOfParent } from "../../attacks/asked-by-parent.ts";
import { type Call, closedLoop } from "../closed-loop.ts";
import type { CallerMaterial } from "../material.ts";

/** What the bench starts a client with. */
export interface ClientGiven {
  readonly material: CallerMaterial;
  readonly port: number;
  readonly bodyBytes: number;
  readonly presents: readonly Presented[];
}

/** A credential that a client presents. */
export type Presented = "API_KEY" | "BEARER" | "HMAC";

/** A window that a client is to call in. */
export interface ClientOrder {
  readonly lanes: number;
  readonly ms: number;
  /** The process of the server. */
  readonly server: number;
}

export const given: () => Promise<ClientGiven> = optionsOfParent<ClientGiven>;

/** Makes calls whenever the bench says so, and tells it what they came to. */
export function obeyWith(call: Call): void {
  process.on("message", (order: ClientOrder | object) => {
    if (!("lanes" in order)) return;
    const { lanes, ms, server } = order;
    closedLoop({ call, lanes, ms, measured: process.pid, other: server }).then(
      (said) => process.send?.(said),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.send?.("started");
}
