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

/** OpenSSL does not get the revocation lists. */
const listsNotGiven: Edit = {
  file: `${src}/tls-policy.ts`,
  search: "...(crl === undefined ? {} : { crl: [...pemBlocks(crl, CRL_LABEL).blocks] }) };",
  replace: "...(crl === undefined || pemBlocks(crl, CRL_LABEL).unfinished ? {} : {}) };",
};

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
  {
    id: "expired-and-resumed",
    opens: "a certificate that has expired goes on by a session from when it was good",
    ...edits([
      {
        file: `${src}/tls-policy.ts`,
        search: "secureOptions: constants.SSL_OP_NO_TICKET",
        replace: "secureOptions: constants.SSL_OP_NO_SSLv3",
      },
      ...endIgnored,
    ]),
    tests: [`${src}/https.test.ts`],
  },
  {
    id: "tls-1-2-after-a-reload",
    opens: "TLS 1.2 is spoken once certificates have changed",
    file: `${src}/door.ts`,
    search: "this.#server.setSecureContext(secureContextOptions(identity));",
    replace: 'this.#server.setSecureContext({ ...secureContextOptions(identity), minVersion: "TLSv1.2" });',
    tests: ["packages/mtls/test/rotation.test.ts"],
  },
  {
    id: "revoked-let-in",
    opens: "a revoked certificate is as good as any",
    ...edits([
      listsNotGiven,
      {
        file: `${src}/trust.ts`,
        search: "if (lists.some(({ crl }) => crl.revoked.has(serialNumber))) {",
        replace: "if (lists.length < 0) {",
      },
    ]),
    tests: [`${src}/trust.test.ts`],
  },
  {
    id: "ended-list-ignored",
    opens: "a revocation list that ended years ago is as good as a new one",
    ...edits([
      listsNotGiven,
      {
        file: `${src}/trust.ts`,
        search: "if (this.#listed.has(issuer) && !lists.some(({ crl }) => nowMs < crl.nextUpdateMs)) {",
        replace: "if (this.#listed.has(issuer) && lists.length === 0) {",
      },
    ]),
    tests: [`${src}/trust.test.ts`],
  },
  {
    id: "list-gone-loosens",
    opens: "whoever deletes the revocation list lets those in that it revokes",
    ...edits([
      {
        file: `${src}/checked-material.ts`,
        search: "if (earlier !== undefined && earlier.lists.length > 0) {",
        replace: "if (earlier !== undefined && earlier.lists.length < 0) {",
      },
      {
        file: `${src}/trust.ts`,
        search: "...(earlier === undefined ? [] : earlier.#listed),",
        replace: "...(earlier === undefined ? [] : []),",
      },
    ]),
    tests: [`${src}/directory-identity.test.ts`],
  },
  {
    id: "half-a-file-ends-the-process",
    opens: "whoever is in the midst of writing a certificate stops the service",
    file: `${src}/directory-identity.ts`,
    search: "if (!(error instanceof TlsIdentityError)) {",
    replace: "if (error instanceof TlsIdentityError) {",
    tests: [`${src}/directory-identity.test.ts`],
  },
  {
    id: "another-key",
    opens: "a certificate and a key that do not belong together are taken, and every handshake fails",
    ...edits([
      {
        file: `${src}/checked-material.ts`,
        search: "if (!leaf.checkPrivateKey(privateKey(texts.key, names.key))) {",
        replace: "if (privateKey(texts.key, names.key) === undefined) {",
      },
      {
        file: `${src}/checked-material.ts`,
        search: "createSecureContext({ cert, key, ca, ...(lists.length === 0",
        replace: "createSecureContext({ ca, ...(cert === key || lists.length === 0",
      },
    ]),
    tests: [`${src}/tls-identity.test.ts`],
  },
];

/** The first edit, and the others. */
function edits([first, ...also]: readonly Edit[]): Edit & Pick<Mutant, "also"> {
  if (first === undefined) throw new Error("A mutant edits something.");
  return { ...first, also };
}
