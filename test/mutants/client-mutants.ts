import type { Mutant } from "./mutant.ts";

const src = "packages/auth/src";
const test = "packages/auth/test";
const call = `${src}/authenticated-call.ts`;

/** What a client sends, to whom, and how often. */
export const clientMutants: readonly Mutant[] = [
  {
    id: "plaintext",
    opens: "credentials go over a channel that anybody can read",
    file: `${src}/connect.ts`,
    search: "if (!(channels instanceof MutualTlsChannels)) {",
    replace: "if (channels === undefined) {",
    tests: [`${test}/connect.test.ts`],
  },
  {
    id: "credentials-to-the-wrong-server",
    opens: "any server of our CA is shown our credentials",
    file: "packages/mtls/src/server-identity.ts",
    search: "return found === expected.uri ? undefined",
    replace: 'return found !== "" ? undefined',
    tests: [`${test}/wrong-peer.test.ts`, `${test}/connect.test.ts`],
  },
  {
    id: "credentials-by-hand",
    opens: "a caller's own metadata goes along with, or in place of, the credentials of the channel",
    file: call,
    search: "metadata.get(its).length > 0);",
    replace: "metadata.get(its).length > 9);",
    tests: [`${test}/connect.test.ts`],
  },
  {
    id: "call-credentials-replaced",
    opens: "an option of one call takes the credentials off",
    file: call,
    search: `throw new TypeError("The credentials of this channel cannot be replaced for one call.");`,
    replace: "return;",
    tests: [`${test}/connect.test.ts`],
  },
  {
    id: "sent-without-credentials",
    opens: "a call whose credential could not be had is sent without",
    file: `${src}/call-credentials.ts`,
    search: "callback(Object.assign(new Error(message, { cause: error }), { code: status.UNAVAILABLE }));",
    replace: "void message;\n        callback(null, new Metadata());",
    tests: [`${test}/connect.test.ts`],
  },
  {
    id: "sent-again-after-it-was-let-in",
    opens: "a call that was let in and then ended takes effect twice",
    file: call,
    search: "mendable.has(reason) && !wasLetIn(refused)",
    replace: "mendable.has(reason)",
    tests: [`${test}/second-attempt.test.ts`],
  },
  {
    id: "sent-again-for-a-replay",
    opens: "a request that was seen before is sent once more, and takes effect twice",
    file: call,
    search: `new Set(["CREDENTIAL_INVALID", "CREDENTIAL_EXPIRED"])`,
    replace: `new Set(["CREDENTIAL_INVALID", "CREDENTIAL_EXPIRED", "CREDENTIAL_REPLAYED", undefined])`,
    tests: [`${test}/second-attempt.test.ts`],
  },
  {
    id: "sent-again-and-again",
    opens: "a server that refuses everything is asked without end",
    file: call,
    search: "this.#said = undefined; // never more than once",
    replace: "",
    tests: [`${test}/second-attempt.test.ts`],
  },
  {
    id: "sent-again-after-an-answer",
    opens: "a call that has been answered in part is sent once more",
    file: call,
    search: "      onReceiveMetadata: (metadata) => {\n        this.#answered();",
    replace: "      onReceiveMetadata: (metadata) => {",
    tests: [`${test}/second-attempt.test.ts`],
  },
  {
    id: "expired-token-sent",
    opens: "tokens are sent after their end, while the issuer is down for hours",
    file: `${src}/bearer/held-token.ts`,
    search: "if (held === undefined || !isAhead(held.goodUntilMs, held.lifeMs)) {",
    replace: "if (held === undefined) {",
    tests: [`${src}/bearer/held-token.test.ts`],
  },
  {
    id: "token-of-another-certificate",
    opens: "after a rotation calls go out with a token that is bound to the certificate before",
    file: `${src}/bearer/token-source.ts`,
    search: `const certificateThumbprint = connection?.certificateThumbprint ?? "";`,
    replace: `const certificateThumbprint = "";\n      void connection;`,
    tests: [`${test}/rotation.test.ts`, `${test}/token-source.test.ts`],
  },
  {
    id: "clock-follows-anything",
    opens: "a server makes a client sign requests for next year, and keeps them",
    file: `${src}/hmac/clock-correction.ts`,
    search: "|| Math.abs(learned) > maxOffsetSeconds) return false;",
    replace: ") return false;",
    tests: [`${src}/hmac/clock-correction.test.ts`],
  },
  {
    id: "refusal-passed-on",
    opens: "a handler that passes on another server's refusal runs twice",
    file: `${src}/endable-call.ts`,
    search: "super.sendStatus(withoutRefusal(status));",
    replace: "super.sendStatus(status);",
    tests: [`${src}/endable-call.test.ts`],
  },
];
