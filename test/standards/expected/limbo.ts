import type { Expected } from "../expected.ts";

const file = { file: "limbo.json", source: "C2SP/x509-limbo" };
/** Of the cases that somebody has seen, nothing depends on which of our ends they are shown to. */
const seen = [
  "pathlen::ee-with-intermediate-pathlen-0",
  "pathlen::validation-ignores-pathlen-in-leaf",
  "pathlen::intermediate-violates-pathlen-0",
  "pathlen::intermediate-pathlen-may-increase",
  "pathlen::self-issued-certs-pathlen",
  "rfc5280::ee-empty-issuer",
  "rfc5280::ca-empty-subject",
  "rfc5280::unknown-critical-extension-ee",
  "rfc5280::unknown-critical-extension-root",
  "rfc5280::unknown-critical-extension-intermediate",
  "rfc5280::critical-aki",
  "rfc5280::self-signed-root-missing-aki",
  "rfc5280::cross-signed-root-missing-aki",
  "rfc5280::intermediate-missing-aki",
  "rfc5280::leaf-missing-aki",
  "rfc5280::critical-ski",
  "rfc5280::missing-ski",
  "rfc5280::multiple-chains-expired-intermediate",
  "rfc5280::chain-untrusted-root",
  "rfc5280::intermediate-ca-without-ca-bit",
  "rfc5280::root-missing-basic-constraints",
  "rfc5280::root-non-critical-basic-constraints",
  "rfc5280::root-inconsistent-ca-extensions",
];
const differences: Expected["differences"] = [
  {
    ids: ["pathlen::validation-ignores-pathlen-in-leaf"],
    ours: "refused: INVALID_PURPOSE",
    reason:
      "A CA's certificate as a peer's: its key signs certificates and no handshakes (RFC 5280 section 4.2.1.3; X509-SVID section 5.2).",
  },
  {
    ids: ["rfc5280::intermediate-missing-aki", "rfc5280::leaf-missing-aki", "rfc5280::missing-ski"],
    ours: "accepted",
    reason:
      "Key identifiers help to find an issuer; who signed is decided by the signature, which is verified. A CA has to write them, and OpenSSL demands them in its strict mode alone, which Node cannot switch on.",
  },
  {
    ids: ["rfc5280::root-non-critical-basic-constraints"],
    ours: "accepted",
    reason:
      "The root says that it is a CA. That the extension be critical is for readers that do not know it; OpenSSL and ours do, and a root is trusted because somebody put it there.",
  },
];

/** Servers' certificates, shown to our client. */
export const limboServers: Expected = {
  title: "x509-limbo: servers, shown to our client",
  ...file,
  seen,
  differences,
};

/** The same turned round: clients' certificates, shown to our server. */
export const limboClients: Expected = {
  title: "x509-limbo: clients, shown to our server",
  ...file,
  seen,
  differences,
};
