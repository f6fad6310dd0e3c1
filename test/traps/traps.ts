import { callTraps } from "./call-traps.ts";
import { certificateTraps } from "./certificate-traps.ts";
import { credentialTraps } from "./credential-traps.ts";
import { http2Traps } from "./http2-traps.ts";
import { interceptorTraps } from "./interceptor-traps.ts";
import { metadataTraps } from "./metadata-traps.ts";
import { tlsTraps } from "./tls-traps.ts";
import type { Section } from "./trap.ts";

/** What grpc-js and Node do to their users: everything that docs/grpc-js.md says, and the tests that show it. */
export const sections: readonly Section[] = [
  credentialTraps,
  tlsTraps,
  certificateTraps,
  interceptorTraps,
  callTraps,
  metadataTraps,
  http2Traps,
];
