import { randomInt } from "node:crypto";
import { Credential } from "@zero-trust/auth";
import { weighed } from "../../../scaling/collected.ts";
import { deciding } from "../deciding.ts";
import { presentedPeers } from "../presented-peer.ts";
import type { Subject } from "../subject.ts";

const DECISIONS = 2_000;
const METHODS_OF_A_SERVICE = 20;

/** Methods with a policy of their own, in services of some size. */
export const methods: Subject = {
  what: "methods with policies",
  sizes: [1, 10, 100, 1_000],
  quickSize: 1_000,
  works: {
    decision: { what: "decision of a call of any of them", times: DECISIONS },
    start: { what: "protect() made, its policies checked", times: 20, isForAll: true },
  },
  async grow(size) {
    const [peer] = await presentedPeers(1);
    if (peer === undefined) throw new Error("There is no peer.");
    const grant = { client: "caller", scopes: new Set(["read:test"]) };
    const grants = new Map([[peer.spiffeId, grant]]);
    const paths = Array.from({ length: size }, (_, index) => {
      return `/growth.v1.Service${Math.floor(index / METHODS_OF_A_SERVICE)}/Method${index % METHODS_OF_A_SERVICE}`;
    });
    const make = () => {
      const rules = () => [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
      const policies = paths.map((path) => [{ path, requestStream: false, hasSideEffects: false, rules: rules() }]);
      return deciding({ policies, grants: { current: () => grants }, now: Date.now });
    };
    const { made: decide, bytes } = await weighed(make);
    return {
      bytes,
      works: {
        decision: () => decide({ path: paths[randomInt(size)] ?? "", peer, metadata: {} }),
        start: make,
      },
    };
  },
};
