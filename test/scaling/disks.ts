import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Stack } from "../stack/stack.ts";

/** What is on disks for one of many, in bytes. */
export interface StoredCost {
  readonly orderBytes: number;
  readonly paymentBytes: number;
  /** One line of the decision log. */
  readonly decisionBytes: number;
}

/** Weighs what services with files of their own have written. */
export async function weighFiles({ order, payment }: Pick<Stack, "order" | "payment">): Promise<StoredCost> {
  const [orders, payments] = await Promise.all([order.data(), payment.data()]);
  const decisions = orders.get("decisions.jsonl")?.toString() ?? "";
  return {
    orderBytes: bytesOfRow(orders, "order.sqlite", "orders"),
    paymentBytes: bytesOfRow(payments, "payment.sqlite", "payments"),
    decisionBytes: Buffer.byteLength(decisions) / (decisions.split("\n").length - 1),
  };
}

/** The whole database, with its indexes and what belongs to a row in other tables, by the rows of one. */
function bytesOfRow(files: ReadonlyMap<string, Buffer>, name: string, table: string): number {
  const folder = mkdtempSync(join(tmpdir(), "scaling-"));
  try {
    for (const [file, content] of files) if (file.startsWith(name)) writeFileSync(join(folder, file), content);
    using database = new DatabaseSync(join(folder, name));
    const { bytes } = database
      .prepare("select page_count * page_size as bytes from pragma_page_count, pragma_page_size")
      .get() as { bytes: number };
    const { rows } = database.prepare(`select count(*) as rows from ${table}`).get() as { rows: number };
    return bytes / rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
