import type { ChannelInterface } from "@grpc/grpc-js";
import type { ChannelSource } from "@zero-trust/rpc";
import { currentCall, type Observation, ObservedCall } from "./observed-call.ts";
import { formatTraceParent, traceParentKey } from "./trace-parent.ts";

type Call = ReturnType<ChannelInterface["createCall"]>;

/**
 * Observes the calls that are made over a channel, and tells the server which trace they belong to. It lies above what
 * presents credentials: one call is one span, however often it is tried, and no option of a call takes it off.
 */
export function madeCalls(observation: Observation, source: ChannelSource): ChannelSource {
  const channel: ChannelInterface = {
    createCall: (...args) => observe(observation, args[0], source.channel().createCall(...args)),
    close: () => source.channel().close(),
    getTarget: () => source.channel().getTarget(),
    getConnectivityState: (tryToConnect) => source.channel().getConnectivityState(tryToConnect),
    watchConnectivityState: (...args) => source.channel().watchConnectivityState(...args),
    getChannelzRef: () => source.channel().getChannelzRef(),
  };
  return {
    channel() {
      // For what it throws when the source is closed.
      source.channel();
      return channel;
    },
  };
}

function observe(observation: Observation, path: string, call: Call): Call {
  const observed = new ObservedCall(observation, "client", path.slice(1));
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    observed.begin(currentCall.getStore()?.traceParent);
    const { traceParent } = observed;
    if (traceParent !== undefined) metadata.set(traceParentKey, formatTraceParent(traceParent));
    start(metadata, {
      onReceiveMetadata: (headers) => listener.onReceiveMetadata(headers),
      onReceiveMessage: (message: unknown) => listener.onReceiveMessage(message),
      onReceiveStatus(received) {
        observed.end(received.code);
        listener.onReceiveStatus(received);
      },
    });
  };
  return call;
}
