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
  {
    id: "nonces-fail-open",
    opens: "whoever makes Valkey slow or ends it can send captured requests again",
    file: nonces,
    search: "        throw error;\n",
    replace: '        return "new";\n',
    tests: ["test/attacks/signatures-unchecked.test.ts"],
    named: "^H12: ",
  },
  {
    id: "nonces-full-is-new",
    opens: "whoever fills Valkey can send captured requests again",
    file: nonces,
    search: 'error.code === "OOM") return "full";',
    replace: 'error.code === "OOM") return "new";',
    tests: ["test/attacks/signatures-unchecked.test.ts"],
    named: "^H12: ",
  },
  {
    id: "valkey-evicts",
    opens: "whoever fills Valkey makes it forget nonces, and can send those requests again",
    file: "packages/auth/src/stores/valkey-connection.ts",
    search: 'if (policy !== "noeviction") return',
    replace: "if (policy === undefined) return",
    tests: ["test/attacks/signatures-unchecked.test.ts"],
    named: "^H12: ",
  },
  {
    id: "nonces-of-another-process",
    opens: "a Valkey that was restarted with a dump, without the nonces of its last second, takes them for new",
    file: "packages/auth/src/stores/valkey-memory.ts",
    search: "return process .. '.' .. line",
    replace: "return 'process' .. '.' .. line",
    also: [
      {
        file: "packages/auth/src/stores/valkey-memory.ts",
        search: "string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')",
        replace: "'line'",
      },
    ],
    tests: ["packages/auth/test/valkey-faults.test.ts"],
    named: "was restarted with a dump",
  },
  {
    id: "nonces-of-another-primary",
    opens: "a Valkey that was a replica for a while takes what it served before for new",
    file: "packages/auth/src/stores/valkey-memory.ts",
    search: "return process .. '.' .. line",
    replace: "return process .. '.' .. 'line'",
    tests: ["packages/auth/test/valkey-faults.test.ts"],
    named: "was a replica of another",
  },
  {
    id: "valkey-any-server",
    opens: "whoever answers in Valkey's place gets the password, and says that every nonce is new",
    file: "packages/auth/src/stores/valkey-connection.ts",
    search: "...clientTlsOptions({ identity, serverId }),",
    replace: "...clientTlsOptions({ identity, serverId }),\n      checkServerIdentity: () => undefined,",
    tests: ["packages/auth/test/valkey-faults.test.ts"],
    named: "ends before the password is sent",
  },
  {
    id: "revocations-of-another-memory",
    opens: "a Valkey that was restarted, without the last revocations, lets revoked tokens in",
    file: "packages/auth/src/stores/valkey-revocations.ts",
    search: "if redis.call('GET', KEYS[1]) ~= memory() then return 'unknown' end",
    replace: "if not redis.call('GET', KEYS[1]) then return 'unknown' end",
    tests: ["packages/auth/test/valkey-revocations.test.ts"],
  },
];
