import { type CallEvent, CallEvents } from "./call-events.ts";
import { startJsonProgram } from "./json-program.ts";
import { type Language, programsOf } from "./toolchain.ts";
import { folderOfRun } from "./workload-folder.ts";

/** A server in another language that listens. */
export interface ForeignServer extends AsyncDisposable {
  readonly port: number;
  readonly calls: CallEvents;
  /** Lets running calls end. */
  close(): Promise<void>;
}

/** Starts a server in another language; `folder` has its certificates. */
export async function startForeignServer(
  language: Language,
  { folder, clientId }: { readonly folder: string; readonly clientId: string },
): Promise<ForeignServer> {
  const calls = new CallEvents();
  const listening = Promise.withResolvers<number>();
  const program = startJsonProgram([...programsOf(language, folderOfRun()).server, folder, clientId], {
    onLine(value) {
      const said = value as { readonly port: number } | { readonly call: string; readonly event: CallEvent };
      if ("port" in said) listening.resolve(said.port);
      else calls.add(said.call, said.event);
    },
    onEnd: () => listening.reject(new Error(`The server in ${language} ended before it listened.`)),
  });
  return { port: await listening.promise, calls, close: program.end, [Symbol.asyncDispose]: program.end };
}
