import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { clientTlsOptions, identityFromMemory, type TlsMaterial } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { type ChildProgram, startChildProgram } from "../attacks/child-program.ts";
import { freePort } from "./free-port.ts";

/** What `connections-main.ts` is told. */
export interface ConnectionsOptions {
  readonly tls: TlsMaterial;
  readonly port: number;
  readonly connections: number;
}

/** What it says when it is asked. */
export interface ConnectionsSaid {
  readonly residentBytes: number;
  /** Of its own time since its start, but for that of its answers. */
  readonly microseconds: number;
}

/** What an idle connection of a workload takes of a server: memory, and time for its handshake. */
export interface ConnectionCost {
  readonly bytes: number;
  readonly microseconds: number;
}

const CONNECTIONS = 1_000;
/** Before the first one that counts: code is compiled, and memory asked for, once. */
const WARM_UP = 100;
/** At a time, so that none waits for its handshake too long. */
const AT_A_TIME = 10;

/**
 * Opens connections to a server in a process of its own, and asks it what they took.
 *
 * @param count - `warmUp`: how many are open before those that count; `connections`: how many count
 */
export async function measureConnections({
  warmUp = WARM_UP,
  connections = CONNECTIONS,
}: {
  readonly warmUp?: number;
  readonly connections?: number;
} = {}): Promise<ConnectionCost> {
  const ca = await createCa();
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  const [tls, caller] = await Promise.all([workload("ping"), workload("caller")]);
  const port = await freePort();
  await using server = await startChildProgram("../scaling/connections-main.ts", {
    tls,
    port,
    connections: connections + warmUp,
  } satisfies ConnectionsOptions);
  const options = clientTlsOptions({
    identity: identityFromMemory(caller),
    serverId: "spiffe://production.internal/ping",
  });
  const sessions: ClientHttp2Session[] = [];
  const open = async () => {
    const session = connect(`https://127.0.0.1:${port}`, { ...options, ALPNProtocols: ["h2"] });
    sessions.push(session);
    await once(session, "remoteSettings");
  };
  const openAll = async (count: number) => {
    for (let opened = 0; opened < count; opened += AT_A_TIME) {
      await Promise.all(Array.from({ length: AT_A_TIME }, open));
    }
  };
  try {
    await openAll(warmUp);
    const before = await said(server);
    await openAll(connections);
    const after = await said(server);
    return {
      bytes: (after.residentBytes - before.residentBytes) / connections,
      microseconds: (after.microseconds - before.microseconds) / connections,
    };
  } finally {
    for (const session of sessions) session.destroy();
  }
}

async function said(server: ChildProgram): Promise<ConnectionsSaid> {
  return (await server.ask()) as ConnectionsSaid;
}
