import { bearerMutants } from "./bearer-mutants.ts";
import { callMutants } from "./call-mutants.ts";
import { clientMutants } from "./client-mutants.ts";
import { databaseMutants } from "./database-mutants.ts";
import { decisionMutants } from "./decision-mutants.ts";
import { doorMutants } from "./door-mutants.ts";
import { effectMutants } from "./effect-mutants.ts";
import { hmacMutants } from "./hmac-mutants.ts";
import { issuerMutants } from "./issuer-mutants.ts";
import { keyMutants } from "./key-mutants.ts";
import { keyServerMutants } from "./key-server-mutants.ts";
import { limitMutants } from "./limit-mutants.ts";
import { mtlsMutants } from "./mtls-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { ownershipMutants } from "./ownership-mutants.ts";
import { protocolMutants } from "./protocol-mutants.ts";
import { replicaMutants } from "./replica-mutants.ts";
import { telemetryMutants } from "./telemetry-mutants.ts";

/** Every defence that has to be missed when it is gone. */
export const mutants: readonly Mutant[] = [
  ...mtlsMutants,
  ...doorMutants,
  ...decisionMutants,
  ...callMutants,
  ...keyMutants,
  ...bearerMutants,
  ...hmacMutants,
  ...clientMutants,
  ...issuerMutants,
  ...effectMutants,
  ...keyServerMutants,
  ...ownershipMutants,
  ...protocolMutants,
  ...replicaMutants,
  ...databaseMutants,
  ...limitMutants,
  ...telemetryMutants,
];
