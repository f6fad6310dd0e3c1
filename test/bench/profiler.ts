// Loaded into a server before its program: profiles it while the bench says so. Until then it costs nothing.
import type { Session } from "node:inspector/promises";
import type { Profile } from "./profile.ts";

/** What the bench says. */
export interface ProfilerOrder {
  readonly profile: "start" | "stop";
}

/** Between two samples, in microseconds. */
const INTERVAL = 500;

let session: Session | undefined;

async function start(): Promise<object> {
  const inspector = await import("node:inspector/promises");
  session = new inspector.Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: INTERVAL });
  await session.post("Profiler.start");
  return {};
}

async function stop(): Promise<Profile> {
  if (session === undefined) throw new Error("No profile was begun.");
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  const { nodes, samples = [], timeDeltas = [] } = profile;
  return { nodes, samples, timeDeltas };
}

process.on("message", (message: ProfilerOrder | object) => {
  if (!("profile" in message)) return;
  (message.profile === "start" ? start() : stop()).then(
    (said) => process.send?.(said),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
