import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeProtoDeps } from "@zero-trust/infra/proto-deps";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const top = fileURLToPath(new URL("../..", import.meta.url));
const buf = join(top, "node_modules/.bin/buf");
const rpcProtos = join(top, "packages/auth/node_modules/google-gax/build/protos");

/** Debian's, whatever else is first in PATH: the versions that these tests are about. */
const python = "/usr/bin/python3";
const go = "/usr/bin/go";
const protocGenGo = "/usr/bin/protoc-gen-go";
/** Where Debian's packages put the sources of Go libraries. */
const gopath = "/usr/share/gocode";
/** A first compilation with an empty cache takes 15 s of two cores; in milliseconds. */
const buildTimeoutMs = 240_000;

/** The programs of one language, and what they are started with. */
export interface ForeignPrograms {
  readonly client: readonly [program: string, ...args: string[]];
  readonly server: readonly [program: string, ...args: string[]];
}

/** The languages besides ours. */
export const languages = ["Go", "Python"] as const;
export type Language = (typeof languages)[number];

/** The programs of a language in the folder that {@link buildPrograms} filled. */
export function programsOf(language: Language, folder: string): ForeignPrograms {
  if (language === "Go") return { client: [join(folder, "client")], server: [join(folder, "server")] };
  const program = (name: string) => [...pythonProgram(name), join(folder, "descriptors")] as const;
  return { client: program("client.py"), server: program("server.py") };
}

/** A program in Python, which Debian's runs. */
export function pythonProgram(name: string): readonly [program: string, ...args: string[]] {
  // Without -B, Python would write its cache beside the sources.
  return [python, "-B", join(here, "python", name)];
}

/** Says in what is missing what to install; empty where nothing is. */
export async function missingTools(): Promise<readonly string[]> {
  const imports = (name: string) =>
    run(python, ["-c", `import ${name}`]).then(
      () => true,
      () => false,
    );
  const there: Readonly<Record<string, boolean>> = {
    "python3-grpcio": await imports("grpc"),
    "python3-protobuf": await imports("google.protobuf"),
    "golang-go": existsSync(go),
    "golang-google-grpc-dev": existsSync(join(gopath, "src/google.golang.org/grpc")),
    "protoc-gen-go-1-3": existsSync(protocGenGo),
  };
  return Object.keys(there).filter((name) => there[name] !== true);
}

/** The versions that are there, for whoever reads the output. */
export async function versions(): Promise<string> {
  const ask = async (program: string, ...args: string[]) => (await run(program, args)).stdout.trim();
  const grpcGo = readFileSync(join(gopath, "src/google.golang.org/grpc/version.go"), "utf8");
  return [
    await ask(python, "-c", "import grpc, sys; print('Python', sys.version.split()[0] + ', grpcio', grpc.__version__)"),
    `Go ${(await ask(go, "env", "GOVERSION")).slice("go".length)}, grpc-go ${/"(\d[^"]*)"/.exec(grpcGo)?.[1]}`,
  ].join("; ");
}

/**
 * Writes what the programs of {@link programsOf} need into an empty folder: descriptors, generated Go code, binaries.
 *
 * @param signal - ends the compiler
 */
export async function buildPrograms(folder: string, signal?: AbortSignal): Promise<void> {
  // Our .proto files import third parties'.
  writeProtoDeps();
  await writeDescriptors(join(folder, "descriptors"));
  await writeGoCode(folder);
  await buildGo(folder, signal);
}

async function writeDescriptors(file: string): Promise<void> {
  const sets = [
    [".", "--path", "packages/testkit/proto/zerotrust"],
    // ErrorInfo, and the status that it comes in.
    [rpcProtos, ...["error_details", "status"].flatMap((name) => ["--path", `${rpcProtos}/google/rpc/${name}.proto`])],
  ];
  writeFileSync(file, "");
  for (const set of sets) {
    const options = { cwd: top, encoding: "buffer" } as const;
    const { stdout } = await run(buf, ["build", ...set, "-o", "-#format=binpb"], options);
    // Two messages of one type, one behind the other, are one message that has what both have.
    appendFileSync(file, stdout);
  }
}

/** Message types, client and server stubs, as anybody's Go service has them. */
async function writeGoCode(folder: string): Promise<void> {
  const template = {
    version: "v2",
    managed: { enabled: true, override: [{ file_option: "go_package", value: "zerotrust/testkit;testkit" }] },
    plugins: [{ local: protocGenGo, out: join(folder, "go/src"), opt: ["plugins=grpc"], strategy: "all" }],
  };
  mkdirSync(join(folder, "go/src"), { recursive: true });
  const args = ["generate", ".", "--template", JSON.stringify(template), "--path", "packages/testkit/proto/zerotrust"];
  await run(buf, args, { cwd: top });
}

/** Both programs at once, since they share nearly all that is to be compiled. */
async function buildGo(folder: string, signal: AbortSignal | undefined): Promise<void> {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    GOPATH: `${join(folder, "go")}:${gopath}`,
    GOCACHE: join(folder, "go-cache"),
    // Debian's libraries are no modules; nothing is to be fetched.
    GO111MODULE: "off",
    GOPROXY: "off",
    // Otherwise the name service would need a C compiler.
    CGO_ENABLED: "0",
  };
  const options = { cwd: here, env, timeout: buildTimeoutMs, signal };
  await run(go, ["build", "-o", folder, "./go/..."], options);
}
