import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { freePort, nobody, type ServerTls, serverFolder } from "./server-folder.ts";
import { imageFor, serverPlace } from "./server-place.ts";
import { ServerProcess } from "./server-process.ts";

/** How a Valkey server is started. */
export interface ValkeyServerOptions {
  /** It takes connections over TLS alone then, from clients with a certificate of `ca` alone; in plaintext unless given. */
  readonly tls?: ServerTls;
  /** What the user `tests`, whom alone it lets in, may do, as in an ACL file. Default: everything. */
  readonly acl?: string;
  /** More settings, as they stand in `valkey.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A Valkey (or Redis) server on loopback, whose data is gone with it. */
export interface ValkeyServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
  /** The address by which another server of these reaches it, on the same port. */
  peerAddress(): string;
  /** Says something to it as its operator, who may do everything; gives the reply as the protocol has it, and throws one that is an error. */
  operate(...command: readonly string[]): Promise<string>;
  /** Ends it; what it does not keep on a disk, which is everything by default, is gone. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again where it was. */
  start(): Promise<void>;
  /** Stops it from answering for a while, with its connections open. */
  pause(): void;
  resume(): void;
}

const user = "tests";
const password = "throwaway";
/** Another user, whose rights no test takes away. */
const operator = "operator";

/** The program that is installed here, `valkey-server` or `redis-server`, or that of an image; undefined where there is none. */
export function findValkey(): string | undefined {
  if (imageFor("valkey") !== undefined) return "valkey-server";
  return ["valkey-server", "redis-server"].find((name) => spawnSync(name, ["--version"]).status === 0);
}

/**
 * Starts the Valkey or Redis server of this machine, empty and without a disk; in a container of the image that
 * `ZT_TEST_VALKEY_IMAGE` names, where it names one.
 *
 * @throws Error when none is installed, or the container does not start
 * @example
 * ```ts
 * import { startValkey } from "@zero-trust/testkit/servers";
 *
 * await using server = await startValkey({ acl: "~zt:* +ping +eval" });
 * const url = `redis://${server.user}:${server.password}@${server.host}:${server.port}`;
 * ```
 */
export async function startValkey(options: ValkeyServerOptions = {}): Promise<ValkeyServer> {
  const { tls, acl = "~* &* +@all", settings = {} } = options;
  const program = findValkey();
  if (program === undefined) throw new Error("Neither valkey-server nor redis-server is installed.");
  await using cleanup = new AsyncDisposableStack();
  const image = imageFor("valkey");
  const folder = cleanup.use(serverFolder("valkey", image === undefined ? undefined : nobody));
  const port = await freePort();
  const place = serverPlace({ image, folder, port });
  const listening =
    tls === undefined
      ? { port: String(port) }
      : {
          port: "0",
          "tls-port": String(port),
          "tls-protocols": "TLSv1.3",
          "tls-auth-clients": "yes",
          "tls-cert-file": folder.write("tls.crt", tls.cert),
          "tls-key-file": folder.write("tls.key", tls.key),
          "tls-ca-cert-file": folder.write("ca.crt", tls.ca),
        };
  const users = [
    `user default off`,
    `user ${user} on >${password} ${acl}`,
    `user ${operator} on >${password} ~* &* +@all`,
  ];
  const all = {
    bind: place.listen,
    "protected-mode": "no",
    dir: folder.path,
    save: '""',
    appendonly: "no",
    "maxmemory-policy": "noeviction",
    ...listening,
    ...settings,
  };
  const lines = [...Object.entries(all).map(([name, value]) => `${name} ${value}`), ...users];
  const command = [program, folder.write("valkey.conf", `${lines.join("\n")}\n`)];
  const server = new ServerProcess(place, command, /eady to accept connections/);
  cleanup.defer(async () => await server.stop("SIGKILL"));
  await server.start();
  const running = cleanup.move();
  return {
    host: "127.0.0.1",
    port,
    user,
    password,
    get pid() {
      return server.pid;
    },
    peerAddress: () => place.peerAddress(),
    operate: (...words) => said({ port, tls }, words),
    stop: (signal = "SIGTERM") => server.stop(signal),
    start: () => server.start(),
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** One command on a connection of its own, in the protocol's own words. */
async function said(
  { port, tls }: { readonly port: number; readonly tls: ServerTls | undefined },
  command: readonly string[],
): Promise<string> {
  const place = { host: "127.0.0.1", port };
  // It shows its own certificate, which a server of a test may be asked with.
  const socket =
    tls === undefined ? connect(place) : connectTls({ ...tls, ...place, checkServerIdentity: () => undefined });
  const words = [["AUTH", operator, password], command, ["QUIT"]].map(
    (parts) => `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`,
  );
  socket.write(words.join(""));
  const reply = (await text(socket)).replace(/^\+OK\r\n/u, "").replace(/\+OK\r\n$/u, "");
  if (reply === "" || reply.startsWith("-")) throw new Error(`${command[0]}: ${reply.trim() || "no reply"}`);
  return reply;
}
