import type { Section } from "./trap.ts";

export const certificateTraps: Section = {
  title: "Certificates, at the handshake and after it",
  intro:
    "What Node checks is whether a chain leads to your CA. Whether the certificate is one of a workload is up to you.",
  traps: [
    {
      id: "accepted-certificates",
      title: "Node takes for a client's certificate what is none",
      effect: "lets in",
      happens:
        "A certificate that your CA signed is let in without an extended key usage, as a CA, with the right to sign certificates, without basicConstraints, with two URI names, and with no name but its CN.",
      instead:
        "If names in certificates decide who is who, check on every call that there is exactly one name of the kind that you read, that the leaf is not a CA and may not sign. SPIFFE's X509-SVID, section 5.2, is a list of such checks. Do not read a SPIFFE ID with `new URL()`, for which `/order/../payment` and `/order/%2e%2e/payment` are `/payment`.",
      library: [
        "library: Node takes a client certificate %s",
        "library: new URL() takes dot segments out of a SPIFFE ID, percent-encoded ones too",
      ],
      here: "`parseX509Svid` makes the checks of the X509-SVID, and `peerOf` refuses every other certificate.",
      ours: [["packages/mtls/src/x509-svid.test.ts", "refuses %s"]],
    },
    {
      id: "refusals-look-alike",
      title: "A refused certificate looks like a server that is down",
      effect: "surprises",
      happens:
        "What Node does refuse (expired, not yet valid, another CA, for servers only, for code signing, for any use, signed by another leaf or itself) the caller sees as UNAVAILABLE, the same as for a wrong port. In TLS 1.3 it may even believe that its handshake went well. A test that asserts UNAVAILABLE passes with the server turned off.",
      instead:
        "In a test, let the same call with a good certificate succeed next to it, and look at what the server counted. In production, count `tlsClientError` of the `tls.Server`, which needs [a socket of your own](#the-tls-socket).",
      library: ["library: Node refuses a client certificate %s, and the caller sees UNAVAILABLE"],
      here: "Refused handshakes are counted and logged with their cause, and every test of one has its positive control.",
      ours: [
        ["packages/mtls/src/server.test.ts", "refuses %s, and counts it once"],
        [
          "packages/server/src/serve.test.ts",
          "logs a refused handshake, in the connection log and not in the decision log",
        ],
      ],
    },
    {
      id: "legacy-certificate",
      title: "`sslPeerCertificate` is Node's legacy object, its names one escaped text",
      effect: "surprises",
      happens:
        '`getAuthContext().sslPeerCertificate` is what `getPeerCertificate()` gave: the leaf without its chain, and all its names in the one string `subjectaltname`, joined by commas, where a name with a comma in it is quoted and escaped (`URI:"spiffe://a/b\\u002c …"`). Code that splits that string works until somebody tries.',
      instead:
        "Take `raw`, the certificate's bytes, and read it as an `X509Certificate`; for the names, read the extension from those bytes, or refuse everything in which a quotation mark occurs. Keep the result by connection: all of it is done anew for every call.",
      snippet: "parse-raw",
      library: ["library: getAuthContext gives the leaf alone, as a legacy object, and its names as one escaped text"],
      here: "The names are read from the DER of the extension, byte for byte.",
      ours: [
        ["packages/mtls/src/x509-svid.test.ts", "reads every URI SAN byte for byte, whatever is in it"],
        ["packages/mtls/src/peer.test.ts", "parses once a connection"],
      ],
    },
    {
      id: "file-watcher",
      title: "`FileWatcherCertificateProvider` keeps no last good set",
      effect: "breaks",
      happens:
        "While a file cannot be read, or the key has been replaced and the certificate not yet, a server with `experimental.FileWatcherCertificateProvider` drops every new connection. Each refresh reads whatever is there. Its timer also keeps the process alive.",
      instead:
        "Replace the files together (a directory and a symbolic link, as Kubernetes does it), or read them yourself: check that key and certificate belong together before `updateSecureContextOptions`, and keep the old set until they do.",
      library: [
        "library: while key and certificate do not match, a server with a file watcher drops new connections",
        "library: the timer of a file watcher keeps the process alive",
      ],
      here: "`identityFromDirectory` reloads only a set that is whole and fits together, keeps the last good one and says so.",
      ours: [
        [
          "packages/mtls/src/directory-identity.test.ts",
          "takes key and certificate together, in whatever order they are written",
        ],
        [
          "packages/mtls/src/directory-identity.test.ts",
          "keeps the last good files where there is %s, and says so once",
        ],
        ["packages/mtls/src/directory-identity.test.ts", "keeps no process alive"],
      ],
    },
    {
      id: "live-connections",
      title: "A live connection outlives its certificate, its CA and its CRL",
      effect: "lets in",
      happens:
        "Certificates are looked at in the handshake. New TLS options change nothing for connections that are open: one whose CA was taken out, whose certificate was revoked or has expired goes on making calls for as long as it stays.",
      instead:
        "After such a change, drain: `server.drain(address, graceMs)`. Bound the age of connections (`grpc.max_connection_age_ms`, `grpc.max_connection_age_grace_ms`), and compare `validTo` and the serial number on every call.",
      snippet: "drain",
      library: ["library: a connection goes on after %s", "library: drain ends it"],
      here: "Every call asks whether the peer's certificate is still good; after a change of CAs or CRLs connections are drained, and those of a revoked peer are cut off. Connections are bounded in age.",
      ours: [
        [
          "packages/mtls/test/rotation.test.ts",
          "refuses the revoked client, counts it by its cause, and serves the others throughout",
        ],
        ["packages/mtls/src/peer.test.ts", "refuses the next call of a connection whose certificate has expired"],
        ["packages/auth/test/protect.test.ts", "whose certificate expires on a live connection is nobody from then on"],
        [
          "packages/server/src/serve.test.ts",
          "a stream without an end outlives its connection's age by the grace, and no more",
        ],
      ],
    },
    {
      id: "crl",
      title: "One CRL is not enough, and an old one stops everything",
      effect: "breaks",
      happens:
        "As soon as there is a CRL, Node wants one of every CA that a chain passes, root and intermediate; where one is missing or past its `nextUpdate`, nobody of that CA gets in. It fails closed, which is right, and for everybody at once, which surprises. Of several CRLs in one PEM text Node 24 reads the first alone (26.10.0, tried by hand, reads them all). It takes the label `X509 CRL`, and throws for `CRL`, which some tools write.",
      instead:
        "Ship a CRL for each CA, an empty one where nothing is revoked; give Node an array with one text each; and raise an alarm well before the first `nextUpdate`.",
      library: [
        "library: Node %s",
        "library: Node reads a CRL with the PEM label X509 CRL, and none with the label CRL",
      ],
      here: "`ca.crl` may hold them one after the other. They are checked when they are loaded, given to Node one by one, and their end is announced ahead of time.",
      ours: [
        ["packages/mtls/src/tls-identity.test.ts", "refuses a revocation list %s"],
        ["packages/mtls/test/revocation.test.ts", "has Node serve who is not revoked, and refuse who is"],
        [
          "packages/mtls/src/directory-identity.test.ts",
          "is told of a list when a quarter of its time is left, and of a CA 30 days ahead",
        ],
      ],
    },
    {
      id: "bound-tokens",
      title: "A certificate-bound token dies with its certificate",
      effect: "breaks",
      happens:
        "A token with `cnf.x5t#S256` (RFC 8705) is good over connections with that one certificate. After a rotation, a client that still holds the old token on a new connection is refused, with a token that looks perfectly good.",
      instead: "Let token and channel belong together: a new certificate means a new channel and a new token.",
      library: { notShown: "it is a rule of RFC 8705 and no library's doing" },
      here: "A token is checked against the certificate of the connection that it is shown on, and a channel tells of each call which certificate it shows. A new certificate is shown once there is a token for it.",
      ours: [
        [
          "packages/auth/test/protect.test.ts",
          "let their client in on the connection that they are bound to, and on no other",
        ],
        ["packages/mtls/test/rotation.test.ts", "tell of each call which certificate it shows"],
        [
          "packages/auth/test/rotation.test.ts",
          "an issuer that is down while a certificate is replaced fails no call: the former one is shown until there is a token for the next",
        ],
      ],
    },
  ],
};
