import type { LogRecord } from "@zero-trust/infra/service-process";
import { expect, vi } from "vitest";
import type { ServiceName } from "../stack/stack.ts";
import type { Trial } from "./trial.ts";

/** How long a service may take to see that its files have changed: some looks, one a second; in milliseconds. */
const patience = { timeout: 20_000, interval: 50 };

const verdicts = {
  taken: "certificates reloaded",
  kept: "certificates not reloaded; those before stay in use",
} as const;

/** A change of the files of the deployment. */
export interface FileChange {
  readonly change: () => unknown;
  /** The services that see it. */
  readonly by: readonly ServiceName[];
  /** Whether they take the new files, or keep those before. */
  readonly are: keyof typeof verdicts;
}

/** Makes the change, and sees what all of them make of it; gives what each has logged. */
export async function certificatesChanged(
  trial: Trial,
  { change, by, are }: FileChange,
): Promise<readonly LogRecord[]> {
  const logs = await Promise.all(by.map((service) => trial.recordsSince(service)));
  await change();
  await trial.stack.publish();
  const verdictOf = async (records: () => Promise<readonly LogRecord[]>) => {
    const verdict = await vi.waitUntil(async () => (await records()).find(({ msg }) => isVerdict(msg)), patience);
    expect(verdict["msg"]).toBe(verdicts[are]);
    return verdict;
  };
  return await Promise.all(logs.map(verdictOf));
}

function isVerdict(msg: unknown): boolean {
  return Object.values<unknown>(verdicts).includes(msg);
}
