import type { ChannelInterface } from "@grpc/grpc-js";
import type { MutualTlsChannels } from "@zero-trust/mtls";
import { AuthenticatedCall, type Call } from "./authenticated-call.ts";
import type { Presenter } from "./presenter.ts";

/** A channel that outlives the connections below it: each call goes to whichever of them is current. */
export class AuthenticatedChannel implements ChannelInterface {
  readonly #channels: MutualTlsChannels;
  readonly #presenters: readonly Presenter[];
  readonly #named: ReadonlyMap<string, ReadonlySet<number>> | undefined;

  constructor(
    channels: MutualTlsChannels,
    presenters: readonly Presenter[],
    named: ReadonlyMap<string, ReadonlySet<number>> | undefined,
  ) {
    this.#channels = channels;
    this.#presenters = presenters;
    this.#named = named;
  }

  createCall(...args: Parameters<ChannelInterface["createCall"]>): Call {
    const [path, deadline] = args;
    const named = this.#named;
    const presenters = this.#presenters.filter(
      ({ credential }) => named === undefined || named.get(path)?.has(credential),
    );
    const open = () => this.#channels.channel().createCall(...args);
    return new AuthenticatedCall({ path, deadline, presenters, open });
  }

  close(): void {
    this.#channels.close();
  }

  getTarget(): string {
    return this.#channels.channel().getTarget();
  }

  getConnectivityState(tryToConnect: boolean): ReturnType<ChannelInterface["getConnectivityState"]> {
    return this.#channels.channel().getConnectivityState(tryToConnect);
  }

  watchConnectivityState(...args: Parameters<ChannelInterface["watchConnectivityState"]>): void {
    this.#channels.channel().watchConnectivityState(...args);
  }

  getChannelzRef(): ReturnType<ChannelInterface["getChannelzRef"]> {
    return this.#channels.channel().getChannelzRef();
  }
}
