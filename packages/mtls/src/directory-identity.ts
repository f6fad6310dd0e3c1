import { type CheckedMaterial, type CheckOptions, checkedMaterial, type Lifetime } from "./checked-material.ts";
import { CurrentIdentity, guarded } from "./current-identity.ts";
import type { IdentityRule } from "./identity-rule.ts";
import {
  firstLookAtTlsDirectory,
  lookAtTlsDirectory,
  type TlsDirectoryLook,
  tlsDirectoryNames,
} from "./tls-directory.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { TlsIdentityError } from "./tls-material.ts";

/** What becomes of the files of a {@link DirectoryIdentity}. */
export type TlsIdentityEvent =
  /** Other files are in use from now on. */
  | {
      readonly type: "reloaded";
      readonly thumbprint: string;
      readonly expiresAtMs: number;
    }
  /** The files have changed and cannot be used; those before stay in use. Told once for each thing that is wrong. */
  | { readonly type: "rejected"; readonly error: TlsIdentityError }
  /** Something in use ends soon, or has ended. Told once for each thing and end. */
  | { readonly type: "expiring"; readonly what: Lifetime["what"]; readonly endsAtMs: number };

/** How a directory is watched. */
export interface DirectoryIdentityOptions {
  readonly onEvent?: (event: TlsIdentityEvent) => void;
  /** How this PKI names workloads; by their SPIFFE IDs unless given. */
  readonly identityRule?: IdentityRule;
  /** How often the files are read, milliseconds; default 1 000. A change is effective after two of them. */
  readonly pollMs?: number;
  /**
   * How long before its end something is `expiring`, milliseconds; default: a quarter of its life for a certificate and a
   * CRL, 30 days for a CA.
   */
  readonly warnBeforeMs?: Partial<Readonly<Record<Lifetime["what"], number>>>;
  /** Epoch milliseconds; default `Date.now`. */
  readonly now?: () => number;
}

/** For a gauge. Times are epoch milliseconds. */
export interface DirectoryIdentityStatus {
  /** The leaf's end or that of an own intermediate, whichever is first. */
  readonly certificateEndsAtMs: number;
  /** The end of the CRL that ends first; undefined without CRLs. */
  readonly crlEndsAtMs: number | undefined;
  /** The end of the CA that ends first, of the bundle and of the own chain. */
  readonly caEndsAtMs: number;
  /** How often other files were taken. */
  readonly reloads: number;
  /** How often other files were not taken. */
  readonly rejected: number;
}

/** An identity that follows the files of a directory. */
export interface DirectoryIdentity extends TlsIdentity {
  status(): DirectoryIdentityStatus;
  /** Stops following the files; what was read last stays in use. */
  close(): void;
}

/** A revocation is to be effective within seconds; the files are small, and reading them takes less than a millisecond. */
const POLL_MS = 1000;
/** Files that were no good are checked again after this time, since a clock may heal them; a long list takes half a second each time. */
const RETRY_MS = 30_000;
/** Certificates are renewed at half their life: with a quarter left, that has gone wrong. */
const WARN_LIFE_SHARE = 0.25;
/** People renew CAs, and they are to hear of it in time. */
const WARN_CA_MS = 30 * 24 * 3_600_000;

/**
 * Reads `tls.crt`, `tls.key`, `ca.crt` and, if there is one, `ca.crl` (names of a Kubernetes TLS secret as cert-manager writes it),
 * and again whenever they change. Contents are compared rather than watched: a mounted secret is swapped by a symbolic link,
 * which file watchers miss. Only a set that is good and whole is taken; the last one stays in use until then.
 *
 * @throws {TlsIdentityError} naming the file that is missing, unreadable or wrong
 *
 * @example
 * ```ts
 * import { identityFromDirectory } from "@zero-trust/mtls";
 *
 * const identity = identityFromDirectory("/run/secrets/tls");
 * ```
 */
export function identityFromDirectory(directory: string, options: DirectoryIdentityOptions = {}): DirectoryIdentity {
  const identity = new WatchedIdentity(directory, options);
  identity.watch();
  return identity;
}

/** For {@link identityFromDirectory}, and for tests, which look when they want. */
export class WatchedIdentity extends CurrentIdentity implements DirectoryIdentity {
  readonly #directory: string;
  readonly #options: DirectoryIdentityOptions;
  readonly #now: () => number;
  readonly #warned = new Set<string>();
  /** What the last look showed, and the digest of what is in use. */
  #last: TlsDirectoryLook;
  #used: string;
  #complaint = "";
  #refused = { digest: "", atMs: 0 };
  #reloads = 0;
  #rejected = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(directory: string, options: DirectoryIdentityOptions = {}) {
    const now = options.now ?? Date.now;
    const look = firstLookAtTlsDirectory(directory);
    super(check(look, directory, now(), { identityRule: options.identityRule }));
    this.#directory = directory;
    this.#options = options;
    this.#now = now;
    this.#last = look;
    this.#used = look.digest;
  }

  watch(): void {
    this.#timer = setInterval(() => this.look(), this.#options.pollMs ?? POLL_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  status(): DirectoryIdentityStatus {
    const { lifetimes } = this.checked;
    const firstEnd = (what: Lifetime["what"]) =>
      Math.min(...lifetimes.filter((each) => each.what === what).map(({ endsAtMs }) => endsAtMs));
    const crlEndsAtMs = firstEnd("crl");
    return {
      certificateEndsAtMs: this.expiresAtMs,
      crlEndsAtMs: Number.isFinite(crlEndsAtMs) ? crlEndsAtMs : undefined,
      caEndsAtMs: firstEnd("ca"),
      reloads: this.#reloads,
      rejected: this.#rejected,
    };
  }

  /** Reads the files and does what is to be done about them. */
  look(): void {
    const look = lookAtTlsDirectory(this.#directory);
    if (look.isSteady) {
      this.#consider(look);
    }
    this.#warn();
  }

  #consider(look: TlsDirectoryLook): void {
    // A whole folder is swapped when it is complete; single files are being written until they stay as they are.
    const settled = look.folder !== this.#last.folder || look.digest === this.#last.digest;
    this.#last = look;
    if (look.digest === this.#used) {
      this.#complaint = "";
      this.#refused = { digest: "", atMs: 0 };
    } else if (settled) {
      this.#take(look);
    }
  }

  #take(look: TlsDirectoryLook): void {
    let checked: CheckedMaterial;
    const nowMs = this.#now();
    if (look.digest === this.#refused.digest && Math.abs(nowMs - this.#refused.atMs) < RETRY_MS) {
      return;
    }
    try {
      checked = check(look, this.#directory, nowMs, { identityRule: this.identityRule, earlier: this.checked });
    } catch (error) {
      if (!(error instanceof TlsIdentityError)) {
        throw error;
      }
      this.#refused = { digest: look.digest, atMs: nowMs };
      // Told once, however often it is tried.
      const complaint = `${look.digest} ${error.message}`;
      if (complaint !== this.#complaint) {
        this.#complaint = complaint;
        this.#rejected += 1;
        this.#tell({ type: "rejected", error });
      }
      return;
    }
    this.#complaint = "";
    this.#used = look.digest;
    this.#reloads += 1;
    this.become(checked);
    this.#tell({ type: "reloaded", thumbprint: this.thumbprint, expiresAtMs: this.expiresAtMs });
  }

  #warn(): void {
    const nowMs = this.#now();
    for (const { what, beginsAtMs, endsAtMs } of this.checked.lifetimes) {
      const usual = what === "ca" ? WARN_CA_MS : (endsAtMs - beginsAtMs) * WARN_LIFE_SHARE;
      const thing = `${what} ${endsAtMs}`;
      if (nowMs >= endsAtMs - (this.#options.warnBeforeMs?.[what] ?? usual) && !this.#warned.has(thing)) {
        this.#warned.add(thing);
        this.#tell({ type: "expiring", what, endsAtMs });
      }
    }
  }

  #tell(event: TlsIdentityEvent): void {
    guarded(() => this.#options.onEvent?.(event));
  }
}

function check({ texts }: TlsDirectoryLook, directory: string, nowMs: number, options: CheckOptions): CheckedMaterial {
  if (texts instanceof TlsIdentityError) {
    throw texts;
  }
  return checkedMaterial(texts, tlsDirectoryNames(directory), nowMs, options);
}
