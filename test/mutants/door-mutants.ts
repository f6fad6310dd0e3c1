import type { Edit, Mutant } from "./mutant.ts";

const src = "packages/mtls/src";

/** OpenSSL's verdict on a client's certificate counts for nothing, at none of the places that ask for it. */
const verdictIgnored: readonly Edit[] = [
  {
    file: `${src}/tls-policy.ts`,
    search: "= { requestCert: true, rejectUnauthorized: true };",
    replace: "= { requestCert: true, rejectUnauthorized: false };",
  },
  {
    file: `${src}/connections.ts`,
    search: "if (key === undefined || !socket.authorized) {",
    replace: "if (key === undefined) {",
  },
  {
    file: `${src}/connections.ts`,
    search: "connection?.socket.destroyed === false && connection.socket.authorized ?",
    replace: "connection?.socket.destroyed === false ?",
  },
];

/** Nor does it matter whether the certificate has ended. */
const endIgnored: readonly Edit[] = [
  { file: `${src}/trust.ts`, search: "if (nowMs >= endsAtMs + 1000) {", replace: "if (nowMs < 0) {" },
  { file: `${src}/peer.ts`, search: "if (nowMs >= parsed.notAfterMs + 1000) {", replace: "if (nowMs < 0) {" },
];

/** Who gets a connection: doors with several locks, some of them OpenSSL's, that are open when all of them are gone. */
export const doorMutants: readonly Mutant[] = [
  {
    id: "no-certificate-needed",
    opens: "a client that shows no certificate gets a connection",
    file: `${src}/tls-policy.ts`,
    search: "= { requestCert: true, rejectUnauthorized: true };",
    replace: "= { requestCert: true, rejectUnauthorized: false };",
    also: [
      {
        file: `${src}/trust.ts`,
        search: 'return "There is no certificate.";',
        replace: "return undefined;",
      },
    ],
    tests: [`${src}/trust.test.ts`],
  },
  {
    id: "verdict-of-tls-ignored",
    opens: "whoever signs a certificate for himself is the workload that it names",
    ...edits(verdictIgnored),
    tests: [`${src}/connections.test.ts`],
  },
  {
    id: "dates-ignored",
    opens: "a certificate goes on naming its workload after its last day",
    ...edits([...verdictIgnored, ...endIgnored]),
    tests: [`${src}/peer.test.ts`],
  },
  {
    id: "use-ignored",
    opens: "a certificate that was issued for servers, or to sign code, makes calls",
    ...edits([
      ...verdictIgnored,
      {
        file: `${src}/x509-svid.ts`,
        search: "for (const use of uses) {",
        replace: "for (const use of uses.slice(2)) {",
      },
    ]),
    tests: [`${src}/x509-svid.test.ts`],
  },
];

/** The first edit, and the others. */
function edits([first, ...also]: readonly Edit[]): Edit & Pick<Mutant, "also"> {
  if (first === undefined) throw new Error("A mutant edits something.");
  return { ...first, also };
}
