import { execFile } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const execute = promisify(execFile);
const top = fileURLToPath(new URL("../..", import.meta.url));
const examples = join(top, "packages/auth/examples");
const names = ["proto-loader", "protobuf-es", "nestjs"];
/** What an example asks for of ours, and what those ask for. */
const packages = ["auth", "mtls", "rpc", "testkit"];

let folder: string;
let tarballs: readonly string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "adopt-"));
  await Promise.all(
    packages.map((name) =>
      execute("pnpm", ["pack", "--pack-destination", folder], { cwd: join(top, "packages", name) }),
    ),
  );
  tarballs = globSync("*.tgz", { cwd: folder }).map((name) => join(folder, name));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

test.each(names)(
  "%s: from the packed packages, outside the workspace, one call is let in and one refused",
  { timeout: 240_000 },
  async (name) => {
    const cwd = join(folder, name);
    cpSync(join(examples, name), cwd, { recursive: true });
    const npm = (...args: string[]) => execute("npm", args, { cwd, timeout: 120_000 });
    await npm("install", "--no-audit", "--no-fund", "--no-save", ...tarballs);
    await npm("run", "build");
    const { stdout } = await npm("start", "--silent");
    expect(stdout.trim().split("\n")).toEqual([
      "let in: Hello, reporting",
      "refused UNAUTHENTICATED CREDENTIAL_MISSING",
    ]);
  },
);

test.each(names)("%s: what a service or a client has of ours is ten lines, all of them marked", (name) => {
  for (const file of globSync(`${examples}/${name}/{server,client,zero-trust-grpc}.ts`)) {
    const lines = readFileSync(file, "utf8").split("\n");
    const marked = lines.filter((line) => line.endsWith("// ours"));
    const imported = marked.flatMap((line) => /^import \{ (.*) \} from/.exec(line)?.[1]?.split(", ") ?? []);
    const values = imported.filter((each) => !each.startsWith("type ")).map((each) => `\\b${each}\\b`);
    // Typed clients and handlers are what protects nothing; and a key of an options object is not what has its name.
    const uses = new RegExp(`@zero-trust/(?!rpc)|(?:${values.join("|")})(?!:)`);
    const unmarked = lines.filter((line) => uses.test(line) && !line.startsWith("/**") && !line.endsWith("// ours"));
    expect({ file: basename(file), unmarked }).toEqual({ file: basename(file), unmarked: [] });
    expect(marked.length).toBeLessThanOrEqual(10);
  }
});

test("the examples pin what the workspace has", () => {
  const catalog = readFileSync(join(top, "pnpm-workspace.yaml"), "utf8");
  for (const name of names) {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(examples, name, "package.json"), "utf8"),
    ) as {
      readonly [kind: string]: Readonly<Record<string, string>>;
    };
    for (const [dependency, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      const [, pinned] = new RegExp(`^ {2}"?${dependency}"?: (\\S+)$`, "m").exec(catalog) ?? [];
      expect({ name, dependency, pinned: pinned ?? version }).toEqual({ name, dependency, pinned: version });
    }
  }
});
