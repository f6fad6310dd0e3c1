import { type ContainerStack, folders } from "./container-stack.ts";

/** What has happened, by the services' own files. */
export interface Effects {
  readonly orders: number;
  readonly payments: number;
  /** Lines of the double-entry ledger. */
  readonly ledgerLines: number;
  /** What the acquirer has charged. */
  readonly charges: number;
}

/** Counts what has happened: the same before and after means that nothing has. */
export async function effectsOf({ order, payment }: ContainerStack): Promise<Effects> {
  const count = async (service: ContainerStack["order"], file: string, table: string) => {
    const database = `new (require("node:sqlite").DatabaseSync)("${folders.data}/${file}", { readOnly: true })`;
    return Number(await service.evaluate(`${database}.prepare("SELECT count(*) AS rows FROM ${table}").get().rows`));
  };
  const [orders, payments, ledgerLines, charges] = await Promise.all([
    count(order, "order/order.sqlite", "orders"),
    count(payment, "payment/payment.sqlite", "payments"),
    count(payment, "payment/payment.sqlite", "transactions"),
    count(payment, "payment/acquirer.sqlite", "charges"),
  ]);
  return { orders, payments, ledgerLines, charges };
}
