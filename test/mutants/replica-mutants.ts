import type { Mutant } from "./mutant.ts";

const nonces = "packages/auth/src/stores/valkey-nonces.ts";
const tests = ["test/attacks/signatures-replicas.test.ts"];

/** What replicas know together: alone, each of them would serve what another one has served. */
export const replicaMutants: readonly Mutant[] = [
  {
    id: "nonces-of-each-replica",
    opens: "a captured request is good once at every replica",
    file: "services/payment/src/main.ts",
    search: "const nonces = valkey?.nonces() ?? memoryNonceStore();",
    replace: "const nonces = memoryNonceStore();",
    tests,
    named: "^H2b: what one replica",
  },
  {
    id: "nonces-since-ever",
    opens: "whoever makes Valkey restart can send captured requests again",
    file: nonces,
    search: "horizon = string.format('%d', time + difference + future)",
    replace: "horizon = '0'",
    tests,
    named: "^H2b: after Valkey",
  },
  {
    id: "nonces-in-two-steps",
    opens: "copies that come at once are all served, since each looks before any other has written",
    file: nonces,
    search: "const verdict = await client.run(claimScript, { keys, args: [...times, ...limits] });",
    replace: `// Looks whether it is there, as a look alone would; and writes it a moment later.
        const look = valkeyScript("return redis.call('EXISTS', KEYS[1])");
        const there = await client.run(look, { keys: [keys[1] ?? ""], args: [] });
        await new Promise((resolve) => setTimeout(resolve, 20));
        const written = await client.run(claimScript, { keys, args: [...times, ...limits] });
        const verdict = there === 0 && written === "replayed" ? "new" : written;`,
    tests,
    named: "^H3: ",
  },
];
