import { isDatabaseReady, serializable } from "@zero-trust/database";
import type { Kysely, Transaction } from "kysely";
import { type Holders, takeHolders } from "./client-holders.ts";
import { REVOCATION_MARGIN_SECONDS, TOKEN_LIFETIME_SECONDS } from "./lifetimes.ts";
import type { IssuerSchema } from "./migrations.ts";
import type { Revocations } from "./revocations.ts";

/** More do not fit into a list: each takes 71 bytes of its 1 MiB. */
const MAX_TOKENS_OF_A_CLIENT = 16_000;

/** What the issuer has to remember; each change is on the disk when it resolves. Times are Unix seconds. */
export class IssuerStore {
  readonly #db: Kysely<IssuerSchema>;
  #revision = 0;

  constructor(db: Kysely<IssuerSchema>) {
    this.#db = db;
  }

  /** Another number after each revocation that this process has written down. */
  get revision(): number {
    return this.#revision;
  }

  /** Says whether an assertion is shown for the first time, to one of those that ask at once. */
  async claimAssertion(assertion: { client: string; jti: string; expiresAt: number }): Promise<boolean> {
    const { client, jti, expiresAt } = assertion;
    const { numInsertedOrUpdatedRows } = await this.#db
      .insertInto("used_assertions")
      .values({ client, jti, expires_at: BigInt(expiresAt) })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    return numInsertedOrUpdatedRows === 1n;
  }

  /** Rejects, too, when the file was taken away since upkeep has looked, and what is written to it with it. */
  async revokeToken(token: { client: string; jti: string; exp: number }): Promise<void> {
    await this.#db
      .insertInto("revoked_tokens")
      .values({ jti: token.jti, client: token.client, expires_at: BigInt(token.exp) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    this.#revision += 1;
    await isDatabaseReady(this.#db);
  }

  /**
   * What is revoked and could still be good somewhere. A client of so many revoked tokens that no list has room for them is
   * in it in place of these, until the last of them was issued.
   */
  async revocations(now: number, maxTokens: number = MAX_TOKENS_OF_A_CLIENT): Promise<Revocations> {
    const many = await this.#db
      .selectFrom("revoked_tokens")
      .select(["client", (of) => of.fn.max("expires_at").as("last")])
      .where("expires_at", ">", ended(now))
      .groupBy("client")
      .having((of) => of.fn.countAll(), ">", BigInt(maxTokens))
      .execute();
    const tokens = await this.#db
      .selectFrom("revoked_tokens")
      .selectAll()
      .where("expires_at", ">", ended(now))
      .$if(many.length > 0, (query) =>
        query.where(
          "client",
          "not in",
          many.map(({ client }) => client),
        ),
      )
      .execute();
    const clients = await this.#db
      .selectFrom("revoked_clients")
      .selectAll()
      .where("issued_until", ">", endedIfIssued(now))
      .execute();
    return {
      tokens: tokens.map(({ jti, client, expires_at }) => ({ jti, client, exp: Number(expires_at) })),
      clients: [
        ...clients.map(({ client, issued_until }) => ({ client, before: Number(issued_until) })),
        ...many.map(({ client, last }) => ({ client, before: Number(last) - TOKEN_LIFETIME_SECONDS })),
      ],
    };
  }

  /**
   * Acts upon the clients file: the tokens that a client has got are revoked when the client is revoked, gone, or
   * another workload.
   *
   * @param holders - by client, the workload that may have tokens, "" for none
   * @returns the clients whose tokens were revoked
   */
  async followClients(replica: string, holders: Holders, now: number): Promise<readonly string[]> {
    const revoked = await serializable(this.#db, async (trx) => {
      const clients = await takeHolders(trx, replica, holders);
      for (const client of clients) await revokeClient(trx, client, now);
      return clients;
    });
    if (revoked.length > 0) this.#revision += 1;
    return revoked;
  }

  /** Deletes what has no effect any more. */
  async forgetExpired(now: number): Promise<void> {
    await this.#db.deleteFrom("used_assertions").where("expires_at", "<=", BigInt(now)).execute();
    await this.#db.deleteFrom("revoked_tokens").where("expires_at", "<=", ended(now)).execute();
    await this.#db.deleteFrom("revoked_clients").where("issued_until", "<=", endedIfIssued(now)).execute();
  }
}

async function revokeClient(trx: Transaction<IssuerSchema>, client: string, now: number): Promise<void> {
  await trx
    .insertInto("revoked_clients")
    .values({ client, issued_until: BigInt(now) })
    .onConflict((conflict) =>
      conflict
        .column("client")
        .doUpdateSet((of) => ({ issued_until: of.ref("excluded.issued_until") }))
        .whereRef("revoked_clients.issued_until", "<", "excluded.issued_until"),
    )
    .execute();
}

/** A token that expired then is refused for that alone, everywhere. */
function ended(now: number): bigint {
  return BigInt(now - REVOCATION_MARGIN_SECONDS);
}

/** A token that was issued then has ended by now, everywhere. */
function endedIfIssued(now: number): bigint {
  return BigInt(now - TOKEN_LIFETIME_SECONDS - REVOCATION_MARGIN_SECONDS);
}
