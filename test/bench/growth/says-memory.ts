// Preloaded into a service: on SIGUSR2 it says, as a line of its log, what it holds when all garbage is gone.
import { collectedBytes } from "../../scaling/collected.ts";

process.on("SIGUSR2", () => {
  const collected = collectedBytes();
  console.log(JSON.stringify({ msg: "memory", collected, resident: process.memoryUsage.rss() }));
});
