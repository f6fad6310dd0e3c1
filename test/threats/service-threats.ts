import type { Boundary } from "./threat.ts";

/** Between a service and those that it calls. */
export const outgoing: Boundary = {
  title: "A service and the services that it calls",
  intro:
    "order calls payment over a network that it does not trust, with credentials that are worth money to whoever gets them.",
  threats: [
    {
      id: "wrong-server",
      stride: "Spoofing",
      threat:
        "Another workload of the deployment, or a name server, leads the call to itself, and gets token and signature.",
      answer: "The client knows the SPIFFE ID of the workload that it calls, and says nothing to any other.",
      files: ["packages/mtls/src/server-identity.ts", "packages/mtls/src/channels.ts"],
      scenarios: ["M14"],
      standards: ["RFC 9525 §6", "SPIFFE X509-SVID §5.2", "SP 800-207 tenet 2", "API10:2023"],
    },
    {
      id: "double-effect",
      stride: "Tampering",
      threat:
        "A retry, ours or the network's, or a process that dies in between, takes the money twice, or forgets the order.",
      answer:
        "Each attempt is signed anew, and each effect has a request id that takes effect once. What is acknowledged is on disk, with what is still to be done.",
      files: [
        "packages/auth/src/call-credentials.ts",
        "services/order/src/outbox.ts",
        "services/payment/src/payments.ts",
      ],
      scenarios: ["H13", "P15", "P16"],
      standards: ["RFC 9110 §9.2.2", "API6:2023"],
    },
    {
      id: "lost-at-shutdown",
      stride: "Denial of service",
      threat: "A restart cuts calls off that were being served.",
      answer: "A service that is to stop says so first, takes no new calls, and lets those that run come to their end.",
      files: ["packages/server/src/serve.ts", "packages/mtls/src/connections.ts"],
      scenarios: ["P17"],
      standards: ["RFC 9113 §6.8", "SP 800-207 tenet 5"],
    },
  ],
};

/** Between the bytes of a call and the process. */
export const inside: Boundary = {
  title: "The bytes of a call and the process",
  intro:
    "A caller that was let in, or not yet refused, sends bytes. They are parsed in the process that serves everybody else.",
  threats: [
    {
      id: "malformed-message",
      stride: "Denial of service",
      threat:
        "An attacker sends what ends the process or fills its memory: broken or endless compression, lying lengths, names like `__proto__`.",
      answer:
        "Sizes are bounded before anything is inflated, errors of parsing are statuses of that one call, and names are names.",
      files: ["packages/rpc/src/add-service.ts", "packages/rpc/src/call-limits.ts"],
      scenarios: ["P1", "P7", "P8", "P12"],
      standards: ["CVE-2026-48068", "CVE-2026-48069", "API4:2023"],
    },
    {
      id: "slow-caller",
      stride: "Denial of service",
      threat: "An attacker sends half a message for ever, sets no deadline, or goes on uploading after being refused.",
      answer: "The first message and the whole call have a time of the server's own; a refused upload is cut off.",
      files: ["packages/rpc/src/call-limits.ts", "packages/server/src/grpc-js-internals.ts"],
      scenarios: ["P5", "P6", "P9"],
      standards: ["RFC 9113 §10.5", "API4:2023"],
    },
    {
      id: "failing-handler",
      stride: "Information disclosure",
      threat:
        "An attacker makes a handler fail, and reads in the error what is inside; or the failure ends the process.",
      answer: "An uncaught error is INTERNAL without a text; the log has the cause, and the process lives.",
      files: ["packages/rpc/src/rpc-error.ts", "packages/rpc/src/add-service.ts"],
      scenarios: ["P13"],
      standards: ["CWE-209", "API8:2023"],
    },
  ],
};

/** Between a service and its files. */
export const files: Boundary = {
  title: "A service and its files",
  intro:
    "Certificates, grants and keys come from files that others write; logs and databases are read by others. Whoever reads them is not to become a caller by it.",
  threats: [
    {
      id: "thief-of-files",
      stride: "Information disclosure",
      threat:
        "An attacker reads the key file, a log, a trace, a database or a report, and finds something to call with.",
      answer:
        "API keys are kept as digests, signing keys sealed with a key from another file. No secret, token or message body is written anywhere else.",
      files: [
        "packages/auth/src/stores/sealed-keys.ts",
        "packages/auth/src/api-key/records.ts",
        "packages/server/src/redact.ts",
      ],
      scenarios: ["K7", "P14"],
      standards: ["CWE-532", "CWE-312", "API8:2023"],
    },
    {
      id: "forged-record",
      stride: "Repudiation",
      threat: "An attacker writes line feeds and escapes into what is logged, to forge a record or to hide one.",
      answer: "A record is one line of printable ASCII; every decision and every refused handshake is one.",
      files: ["packages/server/src/log.ts", "packages/auth/src/decision-event.ts"],
      scenarios: ["P11"],
      standards: ["CWE-117", "SP 800-207 tenet 7", "API8:2023"],
    },
    {
      id: "half-written-file",
      stride: "Denial of service",
      threat: "A file is half written, wrong or unreadable when it is read again, and nobody is let in, or everybody.",
      answer:
        "A file is taken whole or not at all: the last good version stays, and the log says so. Without one, the answer is UNAVAILABLE.",
      files: ["packages/auth/src/stores/reloading-file.ts", "packages/mtls/src/directory-identity.ts"],
      scenarios: ["M17", "K10"],
      standards: ["SP 800-207 tenet 5", "API8:2023"],
    },
  ],
};
