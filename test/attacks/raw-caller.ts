import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Metadata, status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import type { Workload } from "@zero-trust/infra/names";
import { type AttackAnswer, attacker, grpcMessage } from "@zero-trust/testkit";
import type { Deployed } from "../stack/stack.ts";
import type { Outcome } from "./call.ts";

/** A call of raw parts: whatever bytes, in whatever header. */
export interface RawCall {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string | readonly string[]>>;
  readonly bytes: Uint8Array;
  /** Whether the bytes are said to be compressed. */
  readonly compressed?: boolean;
}

/** Makes calls over one connection, for what takes many of them, and for those that no library makes. */
export interface RawCaller extends AsyncDisposable {
  call(call: RawCall): Promise<Pick<Outcome, "status">>;
}

/** Connects to a service as a workload. */
export async function rawCallerOn(stack: Deployed, service: "order" | "payment", as: Workload): Promise<RawCaller> {
  const file = (name: string) => readFileSync(join(stack.deployment.tlsFolder(as), name), "utf8");
  const attack = attacker({
    host: "127.0.0.1",
    port: stack[service].port,
    tls: { cert: file("tls.crt"), key: file("tls.key") },
  });
  const session = await attack.session();
  return {
    async call({ path, metadata, bytes, compressed = false }) {
      const headers = Object.entries(metadata).flatMap(([name, value]) =>
        (typeof value === "string" ? [value] : value).map((each) => [name, each] as const),
      );
      return { status: statusOf(await session.call({ path, headers, body: [grpcMessage(bytes, { compressed })] })) };
    },
    [Symbol.asyncDispose]: async () => attack.close(),
  };
}

/** As an {@link Outcome} has it; "closed" where HTTP/2 itself refused the call. */
function statusOf({ status: code, headers }: AttackAnswer): string {
  if (code === undefined) return "closed";
  const metadata = new Metadata();
  const details = headers["grpc-status-details-bin"];
  if (typeof details === "string") metadata.set("grpc-status-details-bin", Buffer.from(details, "base64"));
  return [status[code], reasonOf({ metadata })].filter((part) => part !== undefined).join(" ");
}
