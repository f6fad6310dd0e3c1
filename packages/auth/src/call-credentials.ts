import { type CallCredentials, credentials, Metadata, status } from "@grpc/grpc-js";
import type { AttemptFacts, Presenter } from "./presenter.ts";
import { type Answer, isThenable, orElse, withAnswer } from "./with-answer.ts";

/** What each presenter gave for one attempt, in their order. */
export type Presented = readonly Values[];
type Values = Readonly<Record<string, string>>;

/**
 * Call credentials that ask the presenters anew at each attempt: grpc-js runs them for every retry, hedge and transparent retry.
 *
 * @param onPresented - hears what is about to be sent
 */
export function presenting(
  presenters: readonly Presenter[],
  attempt: AttemptFacts,
  onPresented: (presented: Presented) => void,
): CallCredentials {
  return credentials.createFromMetadataGenerator((_options, callback) => {
    const ready = orElse<Metadata | Error>(
      () =>
        withAnswer(collect(presenters, attempt), (presented) => {
          const metadata = metadataOf(presented);
          onPresented(presented);
          return metadata;
        }),
      // A new error, since not every error takes a `code` (a DOMException does not).
      (error) => Object.assign(new Error(asError(error).message, { cause: error }), { code: status.UNAVAILABLE }),
    );
    void withAnswer(ready, (answer) => {
      // Without a second argument: with one, even `null`, grpc-js would send the call without credentials.
      if (answer instanceof Error) callback(answer);
      else callback(null, answer);
    });
  });
}

/** One after the other, since a later one may wait for the message; at once where nobody waits. */
function collect(presenters: readonly Presenter[], attempt: AttemptFacts, presented: Values[] = []): Answer<Presented> {
  for (const presenter of presenters.slice(presented.length)) {
    const values = presenter.present(attempt);
    if (isThenable(values)) {
      return Promise.resolve(values).then((its) => {
        presented.push(its);
        return collect(presenters, attempt, presented);
      });
    }
    presented.push(values);
  }
  return presented;
}

/** Of what cannot change, such as a token that many calls show: grpc-js looks through every character of a value that it is given. */
const madeOf = new WeakMap<Values, Metadata>();

function metadataOf(presented: Presented): Metadata {
  const metadata = new Metadata();
  for (const values of presented) {
    if (Object.isFrozen(values)) metadata.merge(madeOnce(values));
    else add(values, metadata);
  }
  return metadata;
}

function madeOnce(values: Values): Metadata {
  const known = madeOf.get(values);
  if (known !== undefined) return known;
  const made = new Metadata();
  add(values, made);
  madeOf.set(values, made);
  return made;
}

function add(values: Values, metadata: Metadata): void {
  for (const key of Object.keys(values)) {
    try {
      metadata.set(key, values[key] as string);
    } catch {
      // What grpc-js says of a value that cannot be sent quotes it.
      throw new TypeError("A credential has a value that metadata cannot carry.");
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("A credential could not be presented.");
}
