/**
 * Variables of a service for tests that send more than any caller may, and are not about that: load, replays and thousands of
 * wrong credentials from one workload.
 */
export const unlimited: Readonly<Record<string, string>> = Object.fromEntries(
  ["PEER", "CLIENT", "FAILURES"].map((which) => [`ZT_LIMIT_${which}`, "1000000/s:1000000"]),
);
