/** One series of a scrape: its labels, and its value. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A scrape, by the names of its series. */
export type Scrape = ReadonlyMap<string, readonly Series[]>;

/** Scrapes `/metrics` of this machine as Prometheus does, and reads every line of it. Throws for what is no scrape. */
export async function scrape(port: number | undefined): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (response.status !== 200) throw new Error(`A scrape was answered with ${response.status}.`);
  return parseScrape(await response.text());
}

/** Reads Prometheus's text format, version 0.0.4. Throws for a line that is not of it. */
export function parseScrape(text: string): Scrape {
  const found = new Map<string, Series[]>();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    if (/^# (?:HELP|TYPE|UNIT) [a-z0-9_]+ .+$/u.test(line)) continue;
    const [, name = "", labels = "", value] = /^([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/u.exec(line) ?? [];
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)",?/gu)];
    if (value === undefined || pairs.map(([pair]) => pair).join("") !== labels) {
      throw new Error(`This is no line of a scrape: ${line}`);
    }
    const read = Object.fromEntries(pairs.map(([, key = "", each = ""]) => [key, each]));
    found.set(name, [...(found.get(name) ?? []), { labels: read, value: Number(value) }]);
  }
  return found;
}

/** How many series there are that calls have made; those of the process come and go by themselves. */
export function seriesIn(found: Scrape): number {
  const ofCalls = [...found].filter(([name]) => /^(?:rpc|zt)_/u.test(name));
  return ofCalls.reduce((sum, [, { length }]) => sum + length, 0);
}

/** The sum of the series with these labels, and whatever others; 0 where there is none. */
export function valueIn(found: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const matching = (found.get(name) ?? []).filter((series) =>
    Object.entries(labels).every(([key, value]) => series.labels[key] === value),
  );
  return matching.reduce((sum, { value }) => sum + value, 0);
}
