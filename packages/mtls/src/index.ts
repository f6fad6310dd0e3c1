export { MutualTlsChannels, type MutualTlsChannelsOptions, mutualTlsChannels } from "./channels.ts";
export type { RefusedHandshake } from "./handshakes.ts";
export { httpsAgent, httpsServerOptions } from "./https.ts";
export {
  type Peer,
  type PeerCall,
  PeerError,
  type PeerOptions,
  parsePeer,
  peerOf,
  peerOfSocket,
} from "./peer.ts";
export { type MutualTlsServer, type MutualTlsServerOptions, mutualTlsServer } from "./server.ts";
export { parseSpiffeId, type SpiffeId, SpiffeIdError } from "./spiffe-id.ts";
export {
  identityFromDirectory,
  identityFromMemory,
  type TlsIdentity,
  TlsIdentityError,
  type TlsMaterial,
} from "./tls-identity.ts";
