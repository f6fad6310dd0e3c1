import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import type { ServerFolder } from "./server-folder.ts";

/** A program that was started from here. */
export type ServerChild = ChildProcessByStdio<null, Readable, Readable>;

/** Where a server runs: one program at a time, with one folder and one port. */
export interface ServerPlace {
  /** The address that it has to listen on, to be reached from here by 127.0.0.1 alone. */
  readonly listen: string;
  /** Runs a program there, as whose the folder is. */
  spawn(command: readonly string[]): ServerChild;
  signal(child: ServerChild, signal: NodeJS.Signals): void;
  /** Where another server of such a place reaches it, as long as it runs. */
  peerAddress(): string;
}

/** What a server has of this machine. */
export interface ServerPlaceOptions {
  /** The image in whose containers it runs; it is a child of this process where there is none. */
  readonly image: string | undefined;
  readonly folder: ServerFolder;
  readonly port: number;
  /** A folder in it that is in memory, and takes so much; in a container only. */
  readonly disk?: { readonly path: string; readonly bytes: number } | undefined;
}

/** The image in whose containers a server is to run: what `ZT_TEST_POSTGRES_IMAGE` or `ZT_TEST_VALKEY_IMAGE` names. */
export function imageFor(server: "postgres" | "valkey"): string | undefined {
  return process.env[`ZT_TEST_${server.toUpperCase()}_IMAGE`];
}

/** Says where a server is to run. */
export function serverPlace(options: ServerPlaceOptions): ServerPlace {
  const { image, folder, disk } = options;
  if (image !== undefined) return inContainer({ ...options, image });
  if (disk !== undefined) throw new Error("A disk of its own takes a container.");
  return onThisMachine(folder.uid);
}

const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];

function onThisMachine(uid: number): ServerPlace {
  const identity = process.getuid?.() === 0 ? { uid, gid: uid } : {};
  return {
    listen: "127.0.0.1",
    spawn: ([program = "", ...args]) => spawn(program, args, { stdio, ...identity }),
    signal: (child, signal) => void child.kill(signal),
    peerAddress: () => "127.0.0.1",
  };
}

/** A container is there as long as its program, which may do nothing but serve. */
function inContainer({ image, folder, port, disk }: ServerPlaceOptions & { readonly image: string }): ServerPlace {
  const { path, uid } = folder;
  const name = `zero-trust-test-${randomUUID()}`;
  const label = process.env["ZT_TEST_LABEL"];
  // PostgreSQL wants a name for whatever user it runs as.
  const passwd = folder.write("passwd", `server:x:${uid}:${uid}::/:/bin/false\n`);
  const run = [
    ["run", "--rm", "--name", name, ...(label === undefined ? [] : ["--label", label])],
    ["--user", `${uid}:${uid}`, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    // Mounts, since the engine would make the folder of a volume that is not there.
    ["--mount", `type=bind,src=${path},dst=${path}`, "--mount", `type=bind,src=${passwd},dst=/etc/passwd,readonly`],
    disk === undefined ? [] : ["--tmpfs", `${disk.path}:size=${disk.bytes},uid=${uid},gid=${uid},mode=0700`],
    ["--publish", `127.0.0.1:${port}:${port}`],
  ].flat();
  return {
    listen: "0.0.0.0",
    spawn: ([program = "", ...args]) => spawn("docker", [...run, "--entrypoint", program, image, ...args], { stdio }),
    // Not the child, which is the engine's client. What is gone gets none.
    signal: (_, signal) => void spawnSync("docker", ["kill", "--signal", signal, name]),
    peerAddress() {
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      return spawnSync("docker", ["inspect", "--format", format, name], { encoding: "utf8" }).stdout.trim();
    },
  };
}
