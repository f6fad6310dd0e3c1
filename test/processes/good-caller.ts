import type { TlsMaterial } from "@zero-trust/mtls";
import { startChildProgram } from "./child-program.ts";

/** What a good caller is told at its start. */
export interface GoodCallerOptions {
  readonly port: number;
  readonly tls: TlsMaterial;
}

/** How a good caller fared since it was asked last. */
export interface Served {
  readonly calls: number;
  /** Why calls were not answered as they should. */
  readonly failures: readonly string[];
  /** The longest that a call took, in milliseconds. */
  readonly slowestMs: number;
}

/** A caller that has nothing to do with the attacks and calls all the time, in a process of its own. */
export interface GoodCaller extends AsyncDisposable {
  served(): Promise<Served>;
}

export async function startGoodCaller(options: GoodCallerOptions): Promise<GoodCaller> {
  const child = await startChildProgram("good-caller-main.ts", options);
  return {
    served: async () => (await child.ask()) as Served,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
