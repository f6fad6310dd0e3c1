import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeProtoDeps } from "@zero-trust/infra/proto-deps";
import { expect, test } from "vitest";
import { sign } from "./by-hand.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(join(top, path), "utf8");
const page = read("docs/wire.md");

interface Vectors {
  readonly keys: readonly { readonly id: string; readonly secret: string }[];
  readonly requests: readonly {
    readonly name: string;
    readonly path: string;
    readonly code: string;
    readonly head?: string;
    readonly metadata: Readonly<Record<string, string>>;
    readonly message: { readonly hex?: string; readonly repeatHex?: string; readonly times?: number };
  }[];
}
const vectors = JSON.parse(read("docs/vectors/hmac.json")) as Vectors;
const worked = vectors.requests.find(({ name }) => name === "the worked vector");

test("the programs on docs/wire.md are those that the tests run", () => {
  const blocks = [...page.matchAll(/^```(?:ts|python)\n(?:\/\/|#) (\S+)\n([\s\S]*?)^```/gmu)];
  expect(blocks.map(([, path]) => path)).toEqual(["test/interop-foreign/python/by_hand.py", "test/interop/by-hand.ts"]);
  for (const [, path = "", code] of blocks) expect(code).toBe(read(path));
});

test("the client for grpc-js knows nothing of ours", () => {
  const imported = ["by-hand.ts", "try-by-hand.ts"].flatMap((name) =>
    [...read(`test/interop/${name}`).matchAll(/\bfrom "([^"]+)"|\bimport\(/gu)].map(([, from]) => from),
  );
  expect(imported.length).toBeGreaterThan(8);
  expect(imported.filter((from) => !/^(node:[a-z/]+|@grpc\/grpc-js|\.\/by-hand\.ts)$/u.test(from ?? ""))).toEqual([]);
});

test("the string to sign on docs/wire.md is that of the worked vector, and so is its signature", () => {
  const [, shown = ""] = /## By signature[\s\S]*?```text\n([\s\S]*?)\n```/u.exec(page) ?? [];
  const lines = [...shown.matchAll(/^(\S+)\\n/gm)].map(([, line]) => `${line}\n`);
  expect(lines.join("")).toBe(worked?.head);
  expect(page).toContain(`${worked?.metadata["x-signature"]} *stdin`);
  expect(page).toContain(`the message \`${worked?.message.hex?.match(/../g)?.join(" ")}\``);
});

test("the client for grpc-js signs as the vectors have it", () => {
  const served = vectors.requests.filter(({ code }) => code === "OK");
  expect(served.length).toBeGreaterThanOrEqual(12);
  for (const { path, metadata, message } of served) {
    const { "x-api-key": keyId = "", "x-timestamp": timestamp = "", "x-nonce": nonce = "" } = metadata;
    const { secret = "" } = vectors.keys.find(({ id }) => id === keyId) ?? {};
    const bytes = Buffer.from(message.hex ?? (message.repeatHex ?? "").repeat(message.times ?? 0), "hex");
    expect(sign({ keyId, secret, path, message: bytes, timestamp, nonce })).toEqual(metadata);
  }
});

test("docs/wire.md has the grammars and the reasons that the services have", () => {
  const formats = ["api-key/format.ts", "hmac/string-to-sign.ts"].map((name) => read(`packages/auth/src/${name}`));
  const grammars = formats.flatMap((source) =>
    [...source.matchAll(/\/(\^\S+\$)\/[,;]/gu)].map(([, each]) => each ?? ""),
  );
  expect(grammars).toHaveLength(6);
  for (const grammar of grammars) expect(page.replaceAll("\\|", "|")).toContain(`\`${grammar}\``);
  const proto = read("packages/auth/proto/zerotrust/auth/v1/policy.proto");
  const reasons = [...proto.matchAll(/^ {2}\/\/ ([A-Z_]+): .*\n {2}REASON_(\w+) = /gmu)].map(([, code, name]) => [
    code,
    name,
  ]);
  let code = "";
  const rows = [...page.matchAll(/^\| (?:`([A-Z_]+)`)? *\| `([A-Z_]+)` +\|/gmu)].map(([, first = code, reason]) => {
    code = first;
    return [code, reason];
  });
  expect(reasons).toHaveLength(10);
  expect(rows).toEqual(reasons);
});

const google = "packages/auth/node_modules/google-gax/build/protos";
test.each([
  { ours: ["proto"], page: ["order", "payment"] },
  {
    ours: [google, ...["status", "error_details"].flatMap((name) => ["--path", `${google}/google/rpc/${name}.proto`])],
    page: ["refusal"],
  },
])("the messages that docs/wire.md shows of $ours.0 are those of the contract", async ({ ours, page }) => {
  writeProtoDeps();
  const folder = mkdtempSync(join(tmpdir(), "wire-page-"));
  try {
    const buf = (...args: string[]) => promisify(execFile)(join(top, "node_modules/.bin/buf"), args, { cwd: top });
    const [contract, shown] = [join(folder, "contract.binpb"), join(folder, "shown.binpb")];
    await buf("build", ...ours, "-o", contract);
    const paths = page.flatMap((name) => ["--path", `docs/wire/${name}.proto`]);
    await buf("build", "docs/wire", ...paths, "-o", shown);
    // What is shown has to be there, the same; there may be more.
    const breaking = { use: ["PACKAGE"], except: ["RPC_SAME_IDEMPOTENCY_LEVEL"] };
    const differences = buf(
      "breaking",
      contract,
      "--against",
      shown,
      "--config",
      JSON.stringify({ version: "v2", breaking }),
    );
    const { stdout } = await differences.catch((error: unknown) => error as { readonly stdout: string });
    expect(stdout).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
