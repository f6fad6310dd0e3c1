import type { Transaction } from "kysely";
import type { ClientHolderTable, IssuerSchema } from "./migrations.ts";

/** By client, the workload that may have tokens, "" for none. */
export type Holders = ReadonlyMap<string, string>;

/**
 * Writes down what a replica's clients file says, and finds the clients whose tokens are no good any more.
 *
 * Replicas read a new file one after the other. The first that sees a client go takes its tokens away, and so does each that
 * follows, for what the others gave out meanwhile; a client that one has not heard of yet is none that went. What a replica
 * knew that is there no more is compared with what the others know, so that nothing that happened meanwhile is missed.
 */
export async function takeHolders(
  trx: Transaction<IssuerSchema>,
  replica: string,
  holders: Holders,
): Promise<readonly string[]> {
  const left = await leftClients(trx, replica);
  const before = await holdersOf(trx, replica);
  const changes = [...new Set([...before.keys(), ...holders.keys()])].filter(
    (client) => before.get(client) !== holders.get(client),
  );
  const known = changes.length + left.length === 0 ? [] : await othersClients(trx, replica);
  const isKnown = (client: string, holder?: string) =>
    known.some((other) => other.client === client && (holder === undefined || other.holder === holder));

  const revoked = new Set<string>();
  for (const client of changes) {
    const [was, is] = [before.get(client), holders.get(client)];
    // One that is revoked when it is first heard of may have got tokens before the database was lost.
    const isUnheardOf = was === undefined && !left.some((other) => other.client === client) && !isKnown(client);
    if (was !== undefined ? was !== "" : is === "" && isUnheardOf) revoked.add(client);
    await trx.deleteFrom("client_holders").where("replica", "=", replica).where("client", "=", client).execute();
    if (is !== undefined) await trx.insertInto("client_holders").values({ replica, client, holder: is }).execute();
  }
  for (const { client, holder, replica: other } of left) {
    if (holder !== "" && holders.get(client) !== holder && !isKnown(client, holder)) revoked.add(client);
    await trx.deleteFrom("client_holders").where("replica", "=", other).where("client", "=", client).execute();
  }
  return [...revoked];
}

async function holdersOf(trx: Transaction<IssuerSchema>, replica: string): Promise<ReadonlyMap<string, string>> {
  const rows = await trx.selectFrom("client_holders").selectAll().where("replica", "=", replica).execute();
  return new Map(rows.map(({ client, holder }) => [client, holder]));
}

/** The clients of replicas that are there no more. */
async function leftClients(trx: Transaction<IssuerSchema>, replica: string): Promise<readonly ClientHolderTable[]> {
  return await trx
    .selectFrom("client_holders")
    .selectAll()
    .where("replica", "!=", replica)
    .where("replica", "not in", (there) => there.selectFrom("replicas").select("replicas.replica"))
    .execute();
}

/** The clients of the replicas that are there. */
async function othersClients(trx: Transaction<IssuerSchema>, replica: string): Promise<readonly ClientHolderTable[]> {
  return await trx
    .selectFrom("client_holders")
    .selectAll()
    .where("replica", "!=", replica)
    .where("replica", "in", (there) => there.selectFrom("replicas").select("replicas.replica"))
    .execute();
}
