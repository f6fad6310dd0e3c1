import { issuer } from "./threats/issuer-threats.ts";
import { method } from "./threats/method-threats.ts";
import { network } from "./threats/network-threats.ts";
import { files, inside, outgoing } from "./threats/service-threats.ts";
import type { Boundary } from "./threats/threat.ts";

/** The threats of this repository's services, by the boundary that they cross, from the outside inwards. */
export const boundaries: readonly Boundary[] = [network, method, issuer, outgoing, inside, files];

/** The ids of the threats that a row of the catalogue is an instance of. */
export function threatsOf(row: string): readonly string[] {
  return boundaries.flatMap(({ threats }) =>
    threats.filter(({ scenarios }) => scenarios.includes(row)).map(({ id }) => id),
  );
}
