import { createClient, ErrorReply } from "@redis/client";
import { clientTlsOptions, type ServerRule, type TlsIdentity } from "@zero-trust/mtls";

/** Where a Valkey server is, and as whom to go there. */
export interface ValkeyTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly identity: TlsIdentity;
  readonly serverId: string | ServerRule;
  readonly commandTimeoutMs: number;
}

/** What Valkey answers, as far as our commands make it. */
export type ValkeyReply = string | number | null | readonly ValkeyReply[];

/** Nobody has checked: Valkey could not be asked, did not answer in time, or refused. */
export class ValkeyUnavailable extends Error {
  override readonly name = "ValkeyUnavailable";
  /** The server's own word for it, where it gave one: `OOM`, `READONLY`, `NOPERM`. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** How long a connection may take until it can be used, in milliseconds: name, TCP, TLS, user and the look at the server. */
const CONNECT_TIMEOUT_MS = 1_000;
/** A server that owes answers and has given none for so long is given up: it may be gone without having said so. */
const STALLED_MS = 1_000;
/** How often a server is looked at: its policy may be changed, or itself made a replica, while we are connected. */
const LOOK_MS = 1_000;
/** What waits for an answer costs memory; at a millisecond each, this is four million commands a second. */
const MAX_IN_FLIGHT = 4_096;

/** One connection: commands go out at once, each is answered within its time or rejected, and nothing is kept for later. */
export class ValkeyConnection {
  /** Resolves, with the reason, when it cannot be used any more. */
  readonly ended: Promise<Error>;
  readonly #redis: ReturnType<typeof newClient>;
  readonly #commandTimeoutMs: number;
  readonly #end: (reason: Error) => void;
  #isOpen = true;
  #looking: NodeJS.Timeout | undefined;
  /** Why it cannot be used any more. */
  #reason: Error | undefined;
  #inFlight = 0;
  /** Since when the server owes an answer, without having given another. */
  #owingSinceMs = 0;

  private constructor(target: ValkeyTarget) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.ended = promise;
    this.#end = resolve;
    this.#commandTimeoutMs = target.commandTimeoutMs;
    this.#redis = newClient(target);
    // An "error" event that nobody hears would end the process.
    this.#redis.on("error", (error: Error) => this.drop(error));
  }

  /**
   * Connects. Certificate and password are those of now, and the password is not sent before the server has shown who it is.
   *
   * @throws Error that says why there is no connection
   */
  static async open(target: ValkeyTarget): Promise<ValkeyConnection> {
    const connection = new ValkeyConnection(target);
    const late = setTimeout(
      () => connection.drop(new ValkeyUnavailable(`no connection within ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    );
    try {
      const connected = connection.#redis.connect().then(() => {
        // A socket that was still connecting when it was given up is open only now.
        if (!connection.#isOpen) connection.#redis.destroy();
      });
      const reason = await Promise.race([connected, connection.ended]);
      if (reason !== undefined) throw reason;
      await connection.#look();
      connection.#looking = setInterval(() => {
        connection.#look().catch(() => undefined);
      }, LOOK_MS).unref();
      return connection;
    } catch (error) {
      const reason = error instanceof Error ? error : new ValkeyUnavailable("no connection");
      connection.drop(reason);
      throw reason;
    } finally {
      clearTimeout(late);
    }
  }

  /** Whether commands can be sent. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends a command; rejects with `ValkeyUnavailable` when it has no answer in time, or one that is an error. */
  async send(command: readonly string[]): Promise<ValkeyReply> {
    if (!this.#isOpen) throw new ValkeyUnavailable("there is no connection");
    if (this.#inFlight >= MAX_IN_FLIGHT) throw new ValkeyUnavailable(`${MAX_IN_FLIGHT} commands wait for an answer`);
    if (this.#inFlight === 0) this.#owingSinceMs = performance.now();
    this.#inFlight += 1;
    const { promise, resolve, reject } = Promise.withResolvers<ValkeyReply>();
    const late = setTimeout(() => {
      // After a look at what has come in: it may be this process that was slow.
      setImmediate(() => {
        reject(new ValkeyUnavailable(`no answer within ${this.#commandTimeoutMs} ms`));
        this.#dropIfStalled();
      });
    }, this.#commandTimeoutMs);
    const settled = () => {
      this.#inFlight -= 1;
      this.#owingSinceMs = performance.now();
      clearTimeout(late);
    };
    this.#redis.sendCommand<ValkeyReply>([...command]).then(
      (reply) => {
        settled();
        resolve(reply);
      },
      (error: unknown) => {
        settled();
        reject(asUnavailable(this.#reason ?? error));
      },
    );
    return await promise;
  }

  /** Gives it up: what waits for an answer is rejected. */
  drop(reason: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#reason = reason;
    clearInterval(this.#looking);
    this.#redis.destroy();
    this.#end(reason);
  }

  /** Ends it when what waits for an answer has one, or has none in time: another has taken its place. */
  retire(): void {
    setTimeout(
      () => this.drop(new ValkeyUnavailable("another connection is used")),
      2 * this.#commandTimeoutMs,
    ).unref();
  }

  /**
   * Looks whether this server may be relied on: one that evicts forgets what it was told to keep, and a replica is behind.
   * A server that may not is let go.
   */
  async #look(): Promise<void> {
    this.#dropIfStalled();
    const info = await this.send(["INFO"]);
    const fault = faultOf(typeof info === "string" ? info : "");
    if (fault === undefined) return;
    const reason = new ValkeyUnavailable(fault);
    this.drop(reason);
    throw reason;
  }

  #dropIfStalled(): void {
    if (this.#inFlight === 0 || performance.now() - this.#owingSinceMs < STALLED_MS) return;
    this.drop(new ValkeyUnavailable(`no answer for ${STALLED_MS} ms`));
  }
}

function newClient({ host, port, user, password, identity, serverId }: ValkeyTarget) {
  return createClient({
    username: user,
    password,
    // The older protocol: its replies are all that our scripts make, and no other command is needed before it is spoken.
    RESP: 2,
    socket: {
      ...clientTlsOptions({ identity, serverId }),
      tls: true,
      host,
      port,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // One connection only: the next takes the certificate and the password of then.
      reconnectStrategy: false,
    },
    disableOfflineQueue: true,
    // The time of a command is kept above, whether it was written by then or not.
    commandOptions: { timeout: 0 },
    maintNotifications: "disabled",
    disableClientInfo: true,
  });
}

/** Why a server that says this of itself is not to be relied on. */
function faultOf(info: string): string | undefined {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "mu").exec(info)?.[1];
  const policy = value("maxmemory_policy");
  if (policy !== "noeviction") return `its maxmemory-policy is ${policy ?? "unknown"}, not noeviction`;
  if (value("evicted_keys") !== "0") return "it has evicted keys: empty it, and reset its statistics";
  if (value("role") !== "master") return `it is no primary: its role is ${value("role") ?? "unknown"}`;
  if (value("cluster_enabled") === "1") return "it is part of a cluster";
  return undefined;
}

/** Redis 6 puts its own words before those of a command within a script. */
const replyCode = /^(?:ERR .*: -)?([A-Z]+) /u;

function asUnavailable(error: unknown): ValkeyUnavailable {
  if (!(error instanceof Error)) return new ValkeyUnavailable("the command failed");
  const code = error instanceof ErrorReply ? replyCode.exec(error.message)?.[1] : undefined;
  return new ValkeyUnavailable(error.message, code);
}
