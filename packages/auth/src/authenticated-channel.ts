import type { ChannelInterface } from "@grpc/grpc-js";
import type { MutualTlsChannels } from "@zero-trust/mtls";
import { AuthenticatedCall, type Call, type Shown } from "./authenticated-call.ts";
import type { Presenter } from "./presenter.ts";

/** A channel that outlives the connections below it: each call goes to whichever of them is current. */
export class AuthenticatedChannel implements ChannelInterface {
  readonly #channels: MutualTlsChannels;
  readonly #shownBy: (path: string) => Shown;

  /** @param named - by path, the credentials that the policy of a method names; without it, every call shows all */
  constructor(
    channels: MutualTlsChannels,
    presenters: readonly Presenter[],
    named: ReadonlyMap<string, ReadonlySet<number>> | undefined,
  ) {
    this.#channels = channels;
    const all = shown(presenters);
    const byPath = new Map<string, Shown>();
    for (const [path, its] of named ?? [])
      byPath.set(path, shown(presenters.filter((each) => its.has(each.credential))));
    this.#shownBy = named === undefined ? () => all : (path) => byPath.get(path) ?? nothing;
  }

  createCall(...args: Parameters<ChannelInterface["createCall"]>): Call {
    return new AuthenticatedCall(this.#channels, args, this.#shownBy(args[0]));
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

function shown(presenters: readonly Presenter[]): Shown {
  return { presenters, keys: presenters.flatMap(({ metadataKeys }) => metadataKeys.map((key) => key.toLowerCase())) };
}

const nothing = shown([]);
