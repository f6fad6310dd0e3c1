import type { Mutant } from "./mutant.ts";

const src = "packages/auth/src/bearer";
const document = `${src}/polled-document.ts`;
const tests = ["packages/auth/test/jwks.test.ts"];

/** The issuer's keys, and what becomes of them when they cannot be read. */
export const keyServerMutants: readonly Mutant[] = [
  {
    id: "keys-forgotten-at-a-failure",
    opens: "whoever stops the key server for a moment stops every service",
    file: document,
    search: "    } catch (error) {\n      tell(new Error(`${name} cannot",
    replace: "    } catch (error) {\n      last = undefined;\n      tell(new Error(`${name} cannot",
    tests,
    named: "I1",
  },
  {
    id: "no-keys-is-no-such-key",
    opens: "good tokens are called bad where nobody could check them",
    file: `${src}/jwks.ts`,
    search: `if (published === undefined) throw new KeysUnavailable("the key server has not answered");`,
    replace: "if (published === undefined) return undefined;",
    tests,
    named: "I2",
  },
  {
    id: "key-set-of-any-size",
    opens: "a key server, or whoever is in its place, fills the memory of every service",
    file: `${src}/jwks.ts`,
    search: "maxBytes: maxJwksBytes,",
    replace: "maxBytes: 2 ** 32,",
    tests,
    named: "I3",
  },
  {
    id: "key-set-of-any-status",
    opens: "what a broken server says is taken for its keys",
    file: document,
    search: "if (status !== 200) throw",
    replace: "if (status === 0) throw",
    tests,
    named: "I4",
  },
  {
    id: "asked-for-every-unknown-key",
    opens: "a thousand made-up key ids are a thousand requests to the issuer",
    file: document,
    search: "const askCooldownMs = 5_000;",
    replace: "const askCooldownMs = -1;",
    tests,
    named: "I5",
  },
  {
    id: "withdrawn-keys-stay",
    opens: "a key that the issuer has withdrawn signs tokens that are good for ever",
    file: document,
    search: "last = { value: await parse(json, last?.value, tell), askedMs };",
    replace: "last = { value: last?.value ?? (await parse(json, last?.value, tell)), askedMs };",
    tests,
    named: "I6",
  },
];
