/** What somebody ordered, wherever it is written. */
export interface Ordered {
  readonly client: string;
  readonly currencyCode: string;
  readonly totalMinorUnits: bigint;
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly unitMinorUnits: bigint }[];
}

/** The content of an order as one text, so that what was asked, answered and written down can be compared. */
export function contentOf({ client, currencyCode, totalMinorUnits, lines }: Ordered): string {
  const articles = lines.map(({ sku, quantity, unitMinorUnits }) => `${quantity} ${sku} at ${unitMinorUnits}`);
  return `${client}: ${articles.join(", ")}; ${totalMinorUnits} ${currencyCode}`;
}
