import { type CallCredentials, credentials, Metadata, status } from "@grpc/grpc-js";
import type { AttemptFacts, Presenter } from "./presenter.ts";

/** What each presenter gave for one attempt. */
export type Presented = ReadonlyMap<Presenter, Readonly<Record<string, string>>>;

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
    const answer = async (): Promise<void> => {
      let metadata: Metadata;
      try {
        const presented = await collect(presenters, attempt);
        metadata = metadataOf(presented);
        onPresented(presented);
      } catch (error) {
        // Without a second argument: with one, even `null`, grpc-js would send the call without credentials.
        // A new error, since not every error takes a `code` (a DOMException does not).
        const { message } = asError(error);
        callback(Object.assign(new Error(message, { cause: error }), { code: status.UNAVAILABLE }));
        return;
      }
      callback(null, metadata);
    };
    void answer();
  });
}

async function collect(presenters: readonly Presenter[], attempt: AttemptFacts): Promise<Presented> {
  const presented = new Map<Presenter, Readonly<Record<string, string>>>();
  for (const presenter of presenters) presented.set(presenter, await presenter.present(attempt));
  return presented;
}

function metadataOf(presented: Presented): Metadata {
  const metadata = new Metadata();
  for (const values of presented.values()) {
    for (const [key, value] of Object.entries(values)) {
      try {
        metadata.set(key, value);
      } catch {
        // What grpc-js says of a value that cannot be sent quotes it.
        throw new TypeError("A credential has a value that metadata cannot carry.");
      }
    }
  }
  return metadata;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("A credential could not be presented.");
}
