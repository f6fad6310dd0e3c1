// A disk that is full, as the kernel says it (ENOSPC): what order and payment may write is in memory, and little.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { checkFault, headOfFaults, rowOfFault } from "../fleet/fault-figures.ts";
import { type Breakable, type Fault, underFault } from "../fleet/faults.ts";
import type { LoadFigures } from "../fleet/load.ts";
import { type Books, readBooks } from "../kills/books.ts";
import { type ContainerStack, folders, startContainers } from "../stack/container-stack.ts";
import { unlimited } from "../stack/unlimited.ts";

const services = ["order", "payment"] as const;
type WritingService = (typeof services)[number];

/** Where decisions go here, so that they have a disk of their own. */
const decisions = "/tmp/decisions.jsonl";
const decisionFolderOf = () => dirname(decisions);
const dataFolderOf = (service: WritingService) => join(folders.data, service);

type Broken = ContainerStack & Breakable;

let stack: Broken;
beforeAll(async () => {
  const started = await startContainers({
    dataBytes: 24 * 1024 * 1024,
    environmentOf: (service) => ({ ...unlimited, ...(service === "issuer" ? {} : { ZT_DECISIONS_FILE: decisions }) }),
  });
  const { issuer, payment, order } = started;
  stack = {
    ...started,
    payments: [payment],
    orders: [order],
    processes: [issuer, payment, order],
    books: async () => await booksIn(started),
  };
  return () => started[Symbol.asyncDispose]();
});

const decisionsOf = async (from: ContainerStack, service: WritingService) =>
  String(await from[service].evaluate(`fs.readFileSync("${decisions}", "utf8")`));

/** Reads copies of what the services have written. */
async function booksIn(from: ContainerStack): Promise<Books> {
  const folder = mkdtempSync(join(tmpdir(), "books-"));
  try {
    for (const service of services) {
      mkdirSync(join(folder, service));
      for (const [name, bytes] of await from[service].data()) writeFileSync(join(folder, service, name), bytes);
      writeFileSync(join(folder, service, "decisions.jsonl"), await decisionsOf(from, service));
    }
    // Where the disk ends a record ends too, and the next one has a line of its own: what else there may be is looked at below.
    return { ...readBooks(folder), tornDecisions: [] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Leaves no byte on the disk that a folder of each service is on. */
async function fill(from: ContainerStack, folderOf: (service: WritingService) => string): Promise<void> {
  for (const service of services) {
    const filled = await from[service].evaluate(`(() => {
      const file = fs.openSync("${folderOf(service)}/filler", "w");
      for (;;) try { fs.writeSync(file, Buffer.alloc(4096)) } catch ({ code }) { return code }
    })()`);
    expect(filled).toBe("ENOSPC");
  }
}

async function makeRoom(from: ContainerStack, folderOf: (service: WritingService) => string): Promise<void> {
  for (const service of services) await from[service].evaluate(`fs.rmSync("${folderOf(service)}/filler")`);
}

const faults: readonly Fault<Broken>[] = [
  {
    what: "the disk of the databases is full",
    strike: async (broken) => {
      // What the log has of the disk already it could write again.
      for (const database of ["order", "payment", "acquirer"] as const)
        await broken.alter(database, "PRAGMA wal_checkpoint(TRUNCATE)");
      await fill(broken, dataFolderOf);
    },
    mend: async (broken) => await makeRoom(broken, dataFolderOf),
    othersNotice: false,
  },
  {
    what: "the disk of the decision log is full",
    strike: async (broken) => await fill(broken, decisionFolderOf),
    mend: async (broken) => await makeRoom(broken, decisionFolderOf),
    othersNotice: true,
  },
];

let after: LoadFigures | undefined;
test.each(faults)("$what: UNAVAILABLE until there is room, and nothing is lost or charged twice", async (fault) => {
  const { figures, all } = await underFault(stack, fault, { forMs: 10_000, after });
  after = all;
  console.log([headOfFaults, rowOfFault(figures)].map((cells) => cells.join(" | ")).join("\n"));
  checkFault(fault, figures);
  expect(Object.keys(figures.told)).toEqual(["UNAVAILABLE"]);
});

test("of the decision log one record is cut short, by the end of the disk, and every other one is whole", async () => {
  for (const service of services) {
    const lines = (await decisionsOf(stack, service)).trimEnd().split("\n");
    const torn = lines.filter((line) => !line.endsWith("}"));
    expect(torn.length).toBeLessThanOrEqual(1);
    for (const line of lines.filter((each) => !torn.includes(each))) expect(() => void JSON.parse(line)).not.toThrow();
  }
});
