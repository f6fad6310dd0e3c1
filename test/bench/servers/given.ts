import { optionsOfParent } from "../../attacks/asked-by-parent.ts";
import type { ServerMaterial } from "../material.ts";

/** A credential that a server asks for besides the connection's certificate. */
export type Asked = "MTLS" | "API_KEY" | "BEARER" | "HMAC";

/** What the bench starts a server with. */
export interface Given {
  readonly material: ServerMaterial;
  /** What a call needs; a server that always asks for the same does not look. */
  readonly asks: readonly Asked[];
  /** For files of its own, removed when the run ends. */
  readonly folder: string;
}

export const given: () => Promise<Given> = optionsOfParent<Given>;

/** Tells the bench where this server listens. */
export function listensOn(port: number): void {
  process.send?.({ port });
}
