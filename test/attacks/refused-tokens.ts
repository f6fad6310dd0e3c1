import type { Workload } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import type { Expected } from "../catalogue/row.ts";
import { bearerOf, newOrder } from "./credentials.ts";
import type { Trial } from "./trial.ts";

const { createOrder } = OrderService.method;

/** Something in `authorization` that places no order. */
export interface BadToken {
  /** In words, for the report. */
  readonly what: string;
  /** The whole value; nothing is sent unless given. */
  readonly authorization?: string;
  /** What the operator reads of it: it tells at which check it ended. */
  readonly cause: string;
  readonly expected?: Expected;
  /** Whose certificate it is shown with. Default: the storefront's. */
  readonly as?: Workload;
}

/** Shows each for an order of its own, which is not placed; with the storefront's own token it is. */
export async function refusesTokens(trial: Trial, tokens: readonly BadToken[]): Promise<void> {
  for (const { what, authorization, cause, expected = "UNAUTHENTICATED CREDENTIAL_INVALID", as } of tokens) {
    const message = newOrder();
    const metadata = authorization === undefined ? {} : { authorization };
    await trial.denied({
      what,
      expected,
      by: "order",
      attack: () => trial.call(createOrder, { as: as ?? "storefront", message, metadata }),
      control: async () => {
        const own = await bearerOf(trial.stack, "storefront", "order", ["write:orders"]);
        return await trial.call(createOrder, { as: "storefront", message, metadata: own });
      },
      record: { cause },
    });
  }
}
