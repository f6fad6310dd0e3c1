import { type Metadata, type ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { type DecisionEvent, reasonOf } from "@zero-trust/auth";
import { currentCall, type Observation, ObservedCall } from "./observed-call.ts";
import { parseTraceParent, traceParentKey } from "./trace-parent.ts";

/** What the conventions call a method that is not one of the server's. */
export const OTHER_METHOD = "_OTHER";

/** What is observed of the calls that a server gets. */
export interface ServedCalls {
  /** To be the first of the interceptors, nearest the wire. */
  readonly interceptor: ServerInterceptor;
  /** The call that came with this metadata. */
  callOf(metadata: Metadata): ObservedCall | undefined;
}

/**
 * Observes the calls of a server. It puts itself into the call instead of around it: grpc-js ends some calls by its own
 * `sendStatus`, past all interceptors, and what comes next replaces the texts of those.
 *
 * @param methods - the paths of those that are registered; a caller can make up any other
 */
export function servedCalls(observation: Observation, methods: ReadonlySet<string>): ServedCalls {
  const calls = new WeakMap<Metadata, ObservedCall>();
  return {
    callOf: (metadata) => calls.get(metadata),
    interceptor({ path }, call) {
      const observed = new ObservedCall(observation, "server", methods.has(path) ? path.slice(1) : OTHER_METHOD);
      const start = call.start.bind(call);
      const sendStatus = call.sendStatus.bind(call);
      call.start = (listener) => {
        start({
          onReceiveMetadata(metadata) {
            observed.begin(parseTraceParent(metadata.get(traceParentKey)));
            calls.set(metadata, observed);
            currentCall.run(observed, () => listener.onReceiveMetadata(metadata));
          },
          // For each of them anew: what grpc-js calls us from is not what belongs to this call.
          onReceiveMessage: (message: unknown) => currentCall.run(observed, () => listener.onReceiveMessage(message)),
          onReceiveHalfClose: () => currentCall.run(observed, () => listener.onReceiveHalfClose()),
          onCancel() {
            currentCall.run(observed, () => listener.onCancel());
            observed.end(status.CANCELLED);
          },
        });
      };
      call.sendStatus = (answer) => {
        // Of a call that is ended after it was let in, this is all that is known here; what a handler says has no reason.
        const reason = reasonOf({ metadata: answer.metadata ?? undefined });
        if (reason !== undefined) observed.describe({ "zt.decision.reason": reason });
        observed.end(answer.code ?? status.UNKNOWN);
        sendStatus(answer);
      };
      return call as ServerInterceptingCall;
    },
  };
}

/** The decisions that are made while the call's own code runs; one that ends a running call is made by a timer for all of them. */
const ownDecisions: ReadonlySet<DecisionEvent["outcome"]> = new Set([
  "allowed",
  "refused",
  "abandoned",
  "failed",
  "would-refuse",
]);

/** Puts a decision on the span of the call that it is about: who called and by what right, and nothing of what was shown or said. */
export function describeDecision(event: DecisionEvent): void {
  const { outcome, reason, peer, client, rule } = event;
  if (!ownDecisions.has(outcome)) return;
  currentCall.getStore()?.describe({
    "zt.decision.outcome": outcome,
    ...(reason === undefined ? {} : { "zt.decision.reason": reason }),
    ...(peer === undefined ? {} : { "zt.peer": peer }),
    ...(client === undefined ? {} : { "zt.client": client }),
    ...(rule === undefined ? {} : { "zt.rule": rule }),
  });
}
