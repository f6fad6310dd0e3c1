import type { OwnSigningKey } from "@zero-trust/auth/client";
import type { Deployment } from "@zero-trust/infra/deployment";
import type { Stack, StackService } from "../stack/stack.ts";
import type { Fleet } from "./fleet.ts";

/** The keys of now, which a rotation changes. */
export interface KeysInUse {
  /** reporting's, for payment. */
  apiKey: string;
  /** storefront's. */
  signing: OwnSigningKey;
  /** The id of order-service's, which has the key itself in a file. */
  orderSigningId: string;
}

/** What is rolled: a deployment and its services, one process of each or several. */
export interface Rolled {
  readonly deployment: Deployment;
  readonly issuers: readonly StackService[];
  readonly payments: readonly StackService[];
  readonly orders: readonly StackService[];
  /** The first of each. */
  readonly issuer: StackService;
  readonly payment: StackService;
  readonly order: StackService;
  readonly keys: KeysInUse;
}

/** A stack, which has one process of each. */
export function rolledStack({ deployment, issuer, payment, order }: Stack): Rolled {
  const keys = keysOf(deployment);
  return { deployment, issuer, payment, order, issuers: [issuer], payments: [payment], orders: [order], keys };
}

/** A fleet, which has several. */
export function rolledFleet(fleet: Fleet): Rolled {
  const { deployment, issuer, payment, order, issuers, payments, orders } = fleet;
  return { deployment, issuer, payment, order, issuers, payments, orders, keys: keysOf(deployment) };
}

/** The keys that a deployment begins with. */
function keysOf({ apiKey, signing }: Deployment): KeysInUse {
  const { id: keyId, secret } = signing.storefront;
  return { apiKey, signing: { keyId, secret }, orderSigningId: signing["order-service"].id };
}

/** Every process of every service. */
export function processesOf({ issuers, payments, orders }: Rolled): readonly StackService[] {
  return [...issuers, ...payments, ...orders];
}
