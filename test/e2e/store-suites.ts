import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What starts a PostgreSQL or a Valkey for a test. */
const starts = /\bstart(?:Postgres|Valkey|TestValkey|Databases)\(/u;

/** The suites that run against stores, of packages, services and infra: by what they start, so that none is forgotten. */
export function storeSuites(top: string): readonly string[] {
  const all = globSync(["{packages,services}/*/{src,test}/**/*.test.ts", "infra/{src,test}/**/*.test.ts"], {
    cwd: top,
  });
  return all.filter((file) => starts.test(readFileSync(join(top, file), "utf8"))).sort();
}
