import { type ChannelInterface, Client, credentials } from "@grpc/grpc-js";

/** Where a client gets its channel, anew for every call, so that certificates can rotate under it. */
export interface ChannelSource {
  /** The channel to make the next call on; it stays the source's to close. */
  channel(): ChannelInterface;
}

const clients = new WeakMap<ChannelInterface, Client>();

/** The grpc-js client of a channel. */
export function clientOf(channel: ChannelInterface): Client {
  let client = clients.get(channel);
  if (client === undefined) {
    // Address and credentials are not looked at where a channel is given.
    client = new Client("", credentials.createInsecure(), { channelOverride: channel });
    clients.set(channel, client);
  }
  return client;
}
