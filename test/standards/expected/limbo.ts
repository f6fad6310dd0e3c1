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
];
const differences: Expected["differences"] = [
  {
    ids: ["pathlen::validation-ignores-pathlen-in-leaf"],
    ours: "refused: INVALID_PURPOSE",
    reason:
      "A CA's certificate as a peer's: its key signs certificates and no handshakes (RFC 5280 section 4.2.1.3; X509-SVID section 5.2).",
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
