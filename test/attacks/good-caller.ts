import type { TlsMaterial } from "@zero-trust/mtls";
import type { Stack } from "../stack/stack.ts";
import { startChildProgram } from "./child-program.ts";
import { apiKeyOf, bearerOf } from "./credentials.ts";
import { shownBy } from "./showing.ts";

/** What a good caller is told at its start. */
export interface GoodCallerOptions {
  readonly service: "order" | "payment";
  readonly port: number;
  readonly tls: TlsMaterial;
  /** Its credential, as it goes over the wire. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** How a good caller fared since it was asked last. */
export interface Served {
  readonly calls: number;
  /** Why calls were not answered as they should. */
  readonly failures: readonly string[];
  /** How long each call took, in milliseconds. */
  readonly tookMs: readonly number[];
}

/** A caller that has nothing to do with the attacks and calls all the time, in a process of its own. */
export interface GoodCaller extends AsyncDisposable {
  served(): Promise<Served>;
}

/** Starts one: reporting reads the ledger of payment, or partner its own orders. */
export async function startGoodCaller(stack: Stack, service: "order" | "payment"): Promise<GoodCaller> {
  const [workload, metadata] =
    service === "payment"
      ? (["reporting", apiKeyOf(stack)] as const)
      : (["partner", await bearerOf(stack, "partner", "order", ["read:orders"])] as const);
  const shown = shownBy(stack, workload) as Omit<TlsMaterial, "ca">;
  const tls = { ...shown, ...stack.deployment.ca };
  const options: GoodCallerOptions = { service, port: stack[service].port, tls, metadata };
  const child = await startChildProgram("good-caller-main.ts", options);
  return {
    served: async () => (await child.ask()) as Served,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
