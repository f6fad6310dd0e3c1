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

/** Adds up by whose code was running, the most first. */
export function sharesOf({ nodes, samples, timeDeltas }: Profile): readonly Share[] {
  const ownerOf = new Map(nodes.map(({ id, callFrame }) => [id, owner(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [at, node] of samples.entries()) {
    const of = ownerOf.get(node);
    if (of === undefined) continue;
    const time = timeDeltas[at] ?? 0;
    busy += time;
    times.set(of, (times.get(of) ?? 0) + time);
  }
  return [...times].map(([of, time]) => ({ of, share: time / busy })).toSorted((a, b) => b.share - a.share);
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
