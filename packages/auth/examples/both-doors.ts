/** A running service on its way: the old address and the new one side by side, every call written down, none refused. */
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { type DecisionMeasure, protect, unsafeShadowMode } from "@zero-trust/auth/server";
import { decisionFile, grantsFile } from "@zero-trust/auth/stores/file";
import { identityFromDirectory, type MutualTlsServer, mutualTlsServer } from "@zero-trust/mtls";

export interface Running {
  readonly service: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  readonly onMeasure: (measure: DecisionMeasure) => void;
  /** A folder with `tls/`, `grants.json` and the decision log. */
  readonly folder: string;
}

export async function openBothDoors({ service, handlers, onMeasure, folder }: Running): Promise<Doors> {
  const guard = protect({
    trustDomain: "production.internal",
    policies: [definePolicy(service, { Greet: [{ credentials: [Credential.MTLS], scopes: ["greet"] }] })],
    credentials: [],
    grants: grantsFile(`${folder}/grants.json`),
    onDecision: decisionFile(`${folder}/decisions.jsonl`).write,
    onMeasure,
    // oxlint-disable-next-line typescript/no-deprecated -- until nobody would be refused any more
    [unsafeShadowMode]: true,
  });
  const server = new Server({ interceptors: [guard] });
  server.addService(service, handlers);

  const door = mutualTlsServer({ identity: identityFromDirectory(`${folder}/tls`), server });
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  // As it was; goes when the decision log has no PEER_INVALID any more.
  const oldPort = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { server, door, port, oldPort };
}

export interface Doors {
  readonly server: Server;
  readonly door: MutualTlsServer;
  readonly port: number;
  readonly oldPort: number;
}
