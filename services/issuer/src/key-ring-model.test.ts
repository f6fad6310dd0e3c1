import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@zero-trust/database";
import { createLog } from "@zero-trust/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type KeyRing, type KeyRingOptions, keyRing } from "./key-ring.ts";
import { KeyStore } from "./key-store.ts";
import { type IssuerSchema, migrations } from "./migrations.ts";
import { createReplica } from "./replica.ts";
import type { SigningKey } from "./signing-keys.ts";

const LEAD_MS = 60_000;
const REFRESH_MS = 30_000;
const STEPS = 120;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "key-ring-model-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function newKey(kid: string): SigningKey {
  const {
    x = "",
    y = "",
    d = "",
  } = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
    format: "jwk",
  });
  return { kid, kty: "EC", crv: "P-256", alg: "ES256", use: "sig", x, y, d, createdAtMs: 0 };
}

/** Numbers that look random, and are the same for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** What a verifier knows of a key: under one name another one is of no use. */
const known = ({ kid, x }: SigningKey) => `${kid} ${x}`;

/**
 * An operator who adds, takes out, replaces and brings back keys, restarts the issuer and changes its clock; and verifiers
 * that fetch the keys every 30 s. Whoever takes keys out carelessly may leave none that verifiers know; as long as there
 * is one that has been published for the lead and that all of them know, what signs is one that all of them know.
 */
class Play {
  readonly wrong: string[] = [];
  withOneThatIsKnown = 0;
  readonly #random: (below: number) => number;
  readonly #isCareful: boolean;
  readonly #options: Omit<KeyRingOptions, "replica">;
  #ring!: KeyRing;
  #nowMs = 1_795_000_000_000;
  #monotonicMs = 0;
  #file: readonly SigningKey[] = [newKey("first")];
  readonly #removed: SigningKey[] = [];
  /** Since when a key is published, as the operator counts. */
  readonly #since = new Map<string, number>();
  readonly #signed = new Set<string>();
  #verifiers: { dueMs: number; keys: ReadonlySet<string> }[] = [];

  constructor(seed: number, isCareful: boolean, store: KeyStore) {
    this.#random = randomOf(seed);
    this.#isCareful = isCareful;
    this.#options = {
      file: { current: () => this.#file, reload: () => undefined },
      store,
      log: createLog({ name: "issuer", destination: { write: () => true } }),
      now: () => this.#nowMs,
      monotonicMs: () => this.#monotonicMs,
    };
  }

  async start(): Promise<void> {
    for (const key of this.#file) if (!this.#signed.has(known(key))) this.#since.set(known(key), this.#monotonicMs);
    const { store, now, monotonicMs } = this.#options;
    const replica = createReplica({ store, isAlone: true, leadMs: LEAD_MS, goneMs: 10_000, now, monotonicMs });
    this.#ring = await keyRing({ ...this.#options, replica });
  }

  async run(): Promise<void> {
    await this.start();
    this.#verifiers = [0, 11_000, 23_000].map((dueMs) => ({ dueMs, keys: this.#fetched() }));
    for (let step = 0; step < STEPS; step += 1) {
      await this.#act();
      await this.#ring.record();
      this.#passTime();
      if (this.#random(3) > 0) await this.#sign(step);
    }
  }

  async #act(): Promise<void> {
    const index = this.#random(this.#file.length);
    const others = this.#file.filter((_, at) => at !== index);
    const mayGo = !this.#isCareful || others.some((key) => this.#isGood(key));
    const action = this.#random(12);
    if (action <= 1 && this.#file.length < 5) this.#add();
    if (action === 2 && others.length > 0 && mayGo) {
      this.#removed.push(...this.#file.filter((_, at) => at === index));
      this.#change(others);
    }
    if (action === 3 && mayGo) this.#change(this.#file.map((key, at) => (at === index ? newKey(key.kid) : key)));
    if (action === 4) this.#nowMs += (this.#random(2) === 0 ? -1 : 1) * this.#random(7_200_000);
    if (action === 5) await this.start();
  }

  /** A new one, or one that was there before; at one end of the file or the other. */
  #add(): void {
    const back = this.#random(2) === 0 ? this.#removed.splice(this.#random(this.#removed.length + 1), 1) : [];
    const added = back[0] ?? newKey(randomUUID());
    if (this.#file.some(({ kid }) => kid === added.kid)) return;
    this.#change(this.#random(2) === 0 ? [...this.#file, added] : [added, ...this.#file]);
  }

  #change(keys: readonly SigningKey[]): void {
    for (const key of this.#file) if (!keys.includes(key)) this.#since.delete(known(key));
    for (const key of keys) if (!this.#file.includes(key)) this.#since.set(known(key), this.#monotonicMs);
    this.#file = keys;
  }

  #passTime(): void {
    const elapsedMs = this.#random(20_000);
    this.#nowMs += elapsedMs;
    this.#monotonicMs += elapsedMs;
    for (const verifier of this.#verifiers) {
      if (verifier.dueMs > this.#monotonicMs) continue;
      verifier.keys = this.#fetched();
      verifier.dueMs = this.#monotonicMs + REFRESH_MS;
    }
  }

  async #sign(step: number): Promise<void> {
    const key = this.#ring.signing(this.#ring.published());
    const isOneKnown = this.#file.some((each) => this.#isGood(each));
    if (isOneKnown) this.withOneThatIsKnown += 1;
    if (!this.#file.includes(key)) this.wrong.push(`step ${step}: a key signs that is not in the file`);
    if (isOneKnown && !this.#isKnownToAll(key)) this.wrong.push(`step ${step}: a verifier does not know what signs`);
    // The first one has had the time by then.
    if (this.#isCareful && step > 20 && !isOneKnown) this.wrong.push(`step ${step}: no key is known to verifiers`);
    await this.#ring.signed(key, Math.floor(this.#nowMs / 1000) + 300);
    this.#signed.add(known(key));
  }

  #fetched(): ReadonlySet<string> {
    return new Set(this.#ring.published().map(known));
  }

  #isKnownToAll(key: SigningKey): boolean {
    return this.#verifiers.every(({ keys }) => keys.has(known(key)));
  }

  #isGood(key: SigningKey): boolean {
    const since = this.#since.get(known(key)) ?? this.#monotonicMs;
    return this.#monotonicMs - since >= LEAD_MS && this.#isKnownToAll(key);
  }
}

test.each([true, false])(
  "what signs is known to verifiers, with an operator who takes care: %s",
  {
    timeout: 60_000,
  },
  async (isCareful) => {
    let withOneThatIsKnown = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const db = await openDatabase<IssuerSchema>({ file: join(folder, `${seed}.db`), migrations });
      const play = new Play(seed, isCareful, new KeyStore(db));
      await play.run();
      await db.destroy();
      expect({ seed, wrong: play.wrong }).toEqual({ seed, wrong: [] });
      withOneThatIsKnown += play.withOneThatIsKnown;
    }
    expect(withOneThatIsKnown).toBeGreaterThan(400);
  },
);
