export {
  type ValkeyCall,
  type ValkeyClient,
  type ValkeyClientOptions,
  type ValkeyScript,
  valkeyClient,
} from "./valkey-client.ts";
export { type ValkeyReply, ValkeyUnavailable } from "./valkey-connection.ts";
export { type ValkeyLimits, type ValkeyLimitsOptions, valkeyLimits } from "./valkey-limits.ts";
export { type ValkeyNonceOptions, type ValkeyNonceStore, valkeyNonceStore } from "./valkey-nonces.ts";
export {
  publishRevocations,
  type ValkeyRevocations,
  type ValkeyRevocationsOptions,
  valkeyRevocations,
} from "./valkey-revocations.ts";
