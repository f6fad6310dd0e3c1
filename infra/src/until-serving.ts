import { setTimeout } from "node:timers/promises";
import type { MutualTlsChannels } from "@zero-trust/mtls";
import { rawCall } from "./raw-call.ts";

/** How long a service may take to serve, in milliseconds; payment takes about six seconds, for its nonces. */
const timeoutMs = 30_000;
const pollMs = 100;

/** A HealthCheckResponse with the status SERVING. */
const serving = Buffer.from([0x08, 0x01]);

/**
 * Waits until a server says that it serves (gRPC Health Checking Protocol, grpc.health.v1); listening, it may still be
 * unable to check credentials.
 *
 * @throws Error when it does not in 30 s, or the reason of the signal
 */
export async function untilServing(channels: MutualTlsChannels, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await rawCall({ channels, path: "/grpc.health.v1.Health/Check", message: new Uint8Array() }).catch(
      (error: unknown) => error,
    );
    if (answer instanceof Buffer && answer.equals(serving)) return;
    if (Date.now() > deadline) {
      const said = answer instanceof Error ? `: ${answer.message}` : ".";
      throw new Error(`${channels.target} does not serve after ${timeoutMs} ms${said}`);
    }
    await setTimeout(pollMs);
  }
}
