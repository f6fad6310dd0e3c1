import type { Boundary } from "./threat.ts";

/** Between the network and a service's port. */
export const network: Boundary = {
  title: "The network and a service's port",
  intro:
    "Anybody who can send a packet is on one side, the handshake and the identity of the peer are on the other. The network is the attacker's: it reads, changes, delays and sends whatever.",
  threats: [
    {
      id: "eavesdropper",
      stride: "Information disclosure",
      threat:
        "An attacker reads calls and credentials on the wire, or makes the two ends agree on an older protocol that lets that happen.",
      answer:
        "Every port speaks TLS 1.3 and nothing else, also after certificates were reloaded; clients refuse plaintext.",
      files: ["packages/mtls/src/tls-policy.ts", "packages/mtls/src/server.ts"],
      scenarios: ["M1", "M13"],
      standards: ["RFC 8446", "RFC 9325 §3.1", "SP 800-207 tenet 2", "API8:2023"],
    },
    {
      id: "unknown-caller",
      stride: "Spoofing",
      threat:
        "An attacker calls without a certificate, or with one that no authority of the deployment issued for calling, or not for now.",
      answer: "The handshake fails before a call exists. It is counted, and the connection log has the cause.",
      files: ["packages/mtls/src/server.ts", "packages/mtls/src/handshakes.ts"],
      scenarios: ["M2", "M3", "M4", "M5", "M6", "M19"],
      standards: ["RFC 5280 §6.1", "RFC 8446 §4.4.2", "SP 800-207 tenet 6", "API2:2023"],
    },
    {
      id: "forged-identity",
      stride: "Spoofing",
      threat:
        "An attacker has a certificate of our CA that is none of a workload's, or one whose names a careless reader takes for another workload's.",
      answer:
        "A peer is its one URI SAN, read byte by byte; a certificate that is not an X509-SVID of the trust domain identifies nobody, whatever TLS thought of it. The common name decides nothing.",
      files: ["packages/mtls/src/x509-svid.ts", "packages/mtls/src/spiffe-id.ts", "packages/mtls/src/identity-rule.ts"],
      scenarios: ["M7", "M9", "M10"],
      standards: ["SPIFFE X509-SVID §5.2", "SPIFFE-ID §2", "RFC 9525 §2", "SP 800-207 tenet 6", "API2:2023"],
    },
    {
      id: "claimed-identity",
      stride: "Spoofing",
      threat: "An attacker claims an identity in metadata, as a proxy would, or asks for another `:authority`.",
      answer:
        "Identity comes from the certificate of the connection alone; such keys are removed before a handler sees them.",
      files: ["packages/auth/src/identity.ts", "packages/auth/src/protect.ts"],
      scenarios: ["M15", "M18"],
      standards: ["RFC 9440 §4", "SP 800-207 tenet 1", "API2:2023"],
    },
    {
      id: "stolen-workload-key",
      stride: "Spoofing",
      threat:
        "An attacker has the private key of a workload, and goes on after the theft is known, or on a connection from before.",
      answer:
        "Revocation lists are read again while the service runs and fail closed; live connections and running calls are judged again; leaves live for a day.",
      files: ["packages/mtls/src/revocation-lists.ts", "packages/mtls/src/connections.ts", "packages/mtls/src/peer.ts"],
      scenarios: ["M11", "M12", "M16"],
      standards: ["RFC 5280 §6.3", "SP 800-207 tenet 5", "API2:2023"],
    },
    {
      id: "idle-connections",
      stride: "Denial of service",
      threat: "An attacker opens connections and says nothing, until there is no room for others.",
      answer: "A handshake has five seconds; connections are counted per workload, aged, and closed when idle.",
      files: ["packages/mtls/src/door.ts", "packages/mtls/src/connections.ts"],
      scenarios: ["P4"],
      standards: ["RFC 9113 §10.5", "SP 800-207 tenet 5", "API4:2023"],
    },
    {
      id: "http2-floods",
      stride: "Denial of service",
      threat:
        "An attacker resets streams, sends CONTINUATION, PING or SETTINGS frames without end, or metadata that fills memory.",
      answer: "Each has a bound, and the connection that passes it is closed; others are served meanwhile.",
      files: ["packages/server/src/grpc-js-internals.ts", "packages/server/src/covered-session.ts"],
      scenarios: ["P2", "P3", "P18"],
      standards: ["RFC 9113 §10.5", "CVE-2023-44487", "API4:2023"],
    },
  ],
};
