import { defaultWindow, hmacGrammar } from "./string-to-sign.ts";

/** A clock and how far it is from a server's, as that server said when it refused a timestamp. */
export interface CorrectedClock {
  /** Unix seconds, as the server counts them. */
  seconds(): number;
  /**
   * Learns from a refused timestamp.
   *
   * @param timestampSeconds - the one that was refused
   * @param serverSeconds - what the server's clock said
   * @returns whether a timestamp of now would be another one that the server can take
   */
  refused(timestampSeconds: number, serverSeconds: number): boolean;
}

/** A timestamp within what a server takes was not what it refused. */
const { pastSeconds, futureSeconds } = defaultWindow;

/** A clock is off by minutes, or by a time zone. More is no clock, and a signature for then could be used when then has come. */
const maxOffsetSeconds = 86_400;

/** Starts with our own clock. */
export function correctedClock(now: () => number, onCorrected: (offsetSeconds: number) => void): CorrectedClock {
  let offset = 0;
  const own = () => Math.floor(now() / 1000);
  return {
    seconds: () => own() + offset,
    refused(timestampSeconds, serverSeconds) {
      if (!isOutside(timestampSeconds - serverSeconds)) return false;
      // Corrected since, by another call; or the attempt, and not the clock, was slow.
      if (!isOutside(own() + offset - serverSeconds)) return true;
      // Always from our own clock: what was learned before is forgotten, so either clock may jump and jump back.
      const learned = serverSeconds - own();
      if (!hmacGrammar["x-timestamp"].test(String(serverSeconds)) || Math.abs(learned) > maxOffsetSeconds) return false;
      offset = learned;
      onCorrected(learned);
      return true;
    },
  };
}

function isOutside(aheadSeconds: number): boolean {
  return aheadSeconds < -pastSeconds || aheadSeconds > futureSeconds;
}
