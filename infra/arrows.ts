/**
 * What `turbo boundaries` cannot say about the arrows between packages: its rules reach through to the
 * dependencies of dependencies and do not tell devDependencies from dependencies.
 */
import { globSync, readFileSync } from "node:fs";

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const testkit = "@zero-trust/testkit";
const mayShipTestkit = new Set(["@zero-trust/infra", "@zero-trust/test"]);
const found: string[] = [];

for (const file of globSync([
  "proto/package.json",
  "packages/*/package.json",
  "services/*/package.json",
  "{infra,test}/package.json",
])) {
  const { name, dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, "utf8")) as Manifest;
  if (testkit in dependencies && !mayShipTestkit.has(name)) {
    found.push(`${name} has ${testkit} in its dependencies; it is for tests: move it to devDependencies.`);
  }
  if (name !== "@zero-trust/proto") continue;
  for (const dependency of Object.keys({ ...dependencies, ...devDependencies })) {
    if (!dependency.startsWith("@zero-trust/") || dependency === "@zero-trust/auth") continue;
    found.push(`${name} depends on ${dependency}; the contract between services knows @zero-trust/auth only.`);
  }
}

for (const sentence of found) console.error(sentence);
process.exitCode = found.length > 0 ? 1 : 0;
