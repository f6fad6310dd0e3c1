import type { TokenSource } from "@zero-trust/auth/client";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import type { Stack } from "@zero-trust/infra/stack";
import { OrderService } from "@zero-trust/proto/order/v1";
import { type Client as ClientOf, createClient } from "@zero-trust/rpc";
import type { Client } from "./history.ts";

/** The order service, as its clients see it. */
export type Orders = ClientOf<typeof OrderService>;

/** A connection to the order service, and where its tokens come from. */
export interface Visit extends Disposable {
  readonly orders: Orders;
  readonly tokens: TokenSource;
}

const CALL_TIMEOUT_MS = 5_000;

/** Opens a connection with the client's certificate, and with its own tokens unless others are given. */
export function openVisit(options: {
  readonly stack: Stack;
  readonly client: Client;
  readonly tokens?: TokenSource;
}): Visit {
  const { stack, client, tokens = tokensOf(stack, client, "order", ["read:orders", "write:orders"]) } = options;
  const channels = channelsTo(stack, client, "order");
  const orders = createClient(OrderService, withToken(channels, tokens), { timeoutMs: CALL_TIMEOUT_MS });
  return { orders, tokens, [Symbol.dispose]: () => channels.close() };
}
