export {
  type MutualTlsCall,
  type MutualTlsChannel,
  MutualTlsChannels,
  type MutualTlsChannelsOptions,
  mutualTlsChannels,
} from "./channels.ts";
export { type ClientTlsOptionsOptions, clientTlsOptions } from "./client-tls-options.ts";
export type { DoorOptions } from "./door.ts";
export { hardenedServerOptions } from "./grpc-options.ts";
export type { RefusedHandshake } from "./handshakes.ts";
export { httpsAgent, type MutualTlsHttpsServerOptions, mutualTlsHttpsServer } from "./https.ts";
export { dnsSan, type IdentityRule, uriSan } from "./identity-rule.ts";
export {
  type CallPeer,
  type Peer,
  type PeerCall,
  PeerError,
  type PeerOptions,
  parsePeer,
  peerOf,
  peerOfCall,
  peerOfSocket,
} from "./peer.ts";
export { type MutualTlsServer, type MutualTlsServerOptions, mutualTlsServer } from "./server.ts";
export { allOf, dnsName, type ServerRule, spiffeId } from "./server-identity.ts";
export { parseSpiffeId, type SpiffeId, SpiffeIdError } from "./spiffe-id.ts";
export {
  type DirectoryIdentity,
  type DirectoryIdentityOptions,
  type DirectoryIdentityStatus,
  identityFromDirectory,
  identityFromMemory,
  type MemoryIdentity,
  type TlsIdentity,
  TlsIdentityError,
  type TlsIdentityEvent,
  type TlsMaterial,
} from "./tls-identity.ts";
export type { Trust } from "./trust.ts";
