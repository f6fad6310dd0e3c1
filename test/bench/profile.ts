/** What of a processor profile is looked at. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  /** The node that ran at each sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** Whose code had the processor: a part of the time that was not idle. */
export interface Share {
  readonly of: string;
  readonly share: number;
}

/** The processor time of the process while it was profiled; a profile sees its main thread alone. */
export interface ProfiledTime {
  readonly used: number;
  readonly usedByMainThread: number;
}

/** Adds up by whose code was running, the most first; what other threads did (signatures, the collector's work) is one part. */
export function sharesOf({ nodes, samples, timeDeltas }: Profile, time: ProfiledTime): readonly Share[] {
  const ofMain = time.usedByMainThread / time.used;
  const ownerOf = new Map(nodes.map(({ id, callFrame }) => [id, owner(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [at, node] of samples.entries()) {
    const of = ownerOf.get(node);
    if (of === undefined) continue;
    const delta = timeDeltas[at] ?? 0;
    busy += delta;
    times.set(of, (times.get(of) ?? 0) + delta);
  }
  const shares = [...times].map(([of, ran]) => ({ of, share: (ran / busy) * ofMain }));
  return [...shares, { of: "other threads", share: 1 - ofMain }].toSorted((a, b) => b.share - a.share);
}

/** Undefined of time in which nothing ran. */
function owner({ functionName, url }: Profile["nodes"][number]["callFrame"]): string | undefined {
  // The profile itself is none of the server's work.
  if (functionName === "(idle)" || url === "node:inspector") return undefined;
  if (functionName === "(garbage collector)") return "garbage collector";
  // What is native and was called by no script: system calls, TLS, HTTP/2.
  if (url === "") return "native code";
  const [, part] = /^node:(?:internal\/)?([^/]+)/.exec(url) ?? [];
  if (part !== undefined) return `node:${part}`;
  const [, installed] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
  const [, own] = /\/packages\/([^/]+)\//.exec(url) ?? [];
  return installed ?? (own === undefined ? "the server" : `@zero-trust/${own}`);
}
