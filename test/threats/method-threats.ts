import type { Boundary } from "./threat.ts";

/** Between a workload that is known and a method. */
export const method: Boundary = {
  title: "A known workload and a method",
  intro:
    "On one side is a workload with a certificate of the deployment: it may be taken over, or curious. On the other is a method with its policy. What crosses are credentials, and the message.",
  threats: [
    {
      id: "unguarded-method",
      stride: "Elevation of privilege",
      threat: "An attacker finds a method that nobody thought of: one without a policy, or one that is not registered.",
      answer:
        "A method without a policy that can be met is an error at the start. Methods that do not exist are decided like others: who has no grants learns nothing.",
      files: ["packages/auth/src/policy.ts", "packages/server/src/grpc-js-internals.ts"],
      scenarios: ["P10", "P19"],
      standards: ["SP 800-207 tenet 3", "API5:2023", "API9:2023"],
    },
    {
      id: "workload-beyond-its-grants",
      stride: "Elevation of privilege",
      threat: "A workload calls what it has no grants for, with credentials that it stole from another.",
      answer:
        "Rules that the certificate cannot meet fall away first: no key store is asked and no nonce is spent for such a peer.",
      files: ["packages/auth/src/decision.ts", "packages/auth/src/gate.ts"],
      scenarios: ["M8", "K4"],
      standards: ["SP 800-207 tenet 3", "API5:2023"],
    },
    {
      id: "missing-credential",
      stride: "Spoofing",
      threat: "An attacker leaves the credential out, or sends something that is nearly one.",
      answer:
        "All that a rule names has to be there and verified. What is out of its grammar is refused, not guessed at.",
      files: ["packages/auth/src/decision.ts", "packages/auth/src/presented-credentials.ts"],
      scenarios: ["K1", "B1", "H9"],
      standards: ["RFC 6750 §3.1", "SP 800-207 tenet 6", "API2:2023"],
    },
    {
      id: "guessed-key",
      stride: "Spoofing",
      threat: "An attacker guesses API keys, or learns from the answers which ids there are.",
      answer:
        "A key is 256 random bits behind a checksum. An unknown id, a wrong secret and a revoked key get one answer by one path. A workload that has shown too many wrong ones gets no answer to any for a while.",
      files: [
        "packages/auth/src/api-key/format.ts",
        "packages/auth/src/api-key/server.ts",
        "packages/auth/src/limits/limiter.ts",
      ],
      scenarios: ["K2", "K3", "K6", "K9", "K12"],
      standards: ["RFC 4086", "SP 800-207 tenet 6", "API2:2023"],
    },
    {
      id: "withdrawn-credential",
      stride: "Spoofing",
      threat:
        "An attacker goes on with a key or token that was revoked, rotated or withdrawn, or on a stream that it opened.",
      answer: "Files and lists are read again within seconds; running calls are judged again each second.",
      files: ["packages/auth/src/stores/reloading-file.ts", "packages/auth/src/open-calls.ts"],
      scenarios: ["K8", "K11", "H9", "I6", "B22"],
      standards: ["RFC 7009", "SP 800-207 tenet 4", "API2:2023"],
    },
    {
      id: "forged-token",
      stride: "Spoofing",
      threat:
        "An attacker makes a token himself: unsigned, signed with a public key as a secret, with a key that the token itself brings.",
      answer:
        "The algorithm is the key's, keys come from the issuer alone, and a token has one spelling: what is not a signed `at+jwt` is refused before any crypto.",
      files: ["packages/auth/src/bearer/token-format.ts", "packages/auth/src/bearer/server.ts"],
      scenarios: ["B2", "B3", "B4", "B5", "B6", "B7", "B13"],
      standards: ["RFC 8725 §3.1", "RFC 8725 §3.11", "RFC 7515 §10", "RFC 9068 §4", "API2:2023"],
    },
    {
      id: "token-out-of-place",
      stride: "Spoofing",
      threat:
        "An attacker shows a real token of another issuer, for another service, from another time, or one that lacks what decides.",
      answer:
        "Issuer, audience, times and life are compared exactly; a claim that is needed and not there is a refusal.",
      files: ["packages/auth/src/bearer/token-claims.ts"],
      scenarios: ["B8", "B9", "B10", "B11", "B12", "B19"],
      standards: ["RFC 9068 §4", "RFC 8725 §3.8", "RFC 8725 §3.9", "API2:2023"],
    },
    {
      id: "stolen-token",
      stride: "Spoofing",
      threat: "An attacker has read a token somewhere, and shows it from another workload.",
      answer:
        "A token is bound to the certificate of its client, and is compared with that of the connection, cached or not.",
      files: ["packages/auth/src/bearer/server.ts", "packages/auth/src/bearer/token-claims.ts"],
      scenarios: ["B14", "B18"],
      standards: ["RFC 8705 §3", "RFC 9700 §2.2.1", "API2:2023"],
    },
    {
      id: "scope-overreach",
      stride: "Elevation of privilege",
      threat: "A client does with a good credential what it was not given for.",
      answer: "Each credential of a rule grants every scope by itself: scopes are never added up.",
      files: ["packages/auth/src/decision.ts"],
      scenarios: ["K5", "B15"],
      standards: ["RFC 6750 §3.1", "SP 800-207 tenet 3", "API5:2023"],
    },
    {
      id: "mixed-credentials",
      stride: "Elevation of privilege",
      threat:
        "An attacker puts credentials of two clients together, or shows one that is for another service, to get the sum of both.",
      answer:
        "All credentials of a rule name one client; a key names the service that it is for; one that is invalid refuses the call.",
      files: ["packages/auth/src/decision.ts", "packages/auth/src/key-record.ts"],
      scenarios: ["H10"],
      standards: ["SP 800-207 tenet 3", "API2:2023"],
    },
    {
      id: "another-clients-object",
      stride: "Information disclosure",
      threat: "A client asks for another client's order or payment by its id, or has another service ask for it.",
      answer: "Every query names the calling client; what is not its own does not exist.",
      files: ["services/order/src/handlers.ts", "services/payment/src/handlers.ts"],
      scenarios: ["B21"],
      standards: ["SP 800-207 tenet 1", "API1:2023"],
    },
    {
      id: "changed-request",
      stride: "Tampering",
      threat: "Whoever is between changes a signed request, or takes its signature to another method.",
      answer:
        "The signature covers method, time, nonce and the very bytes; they are decoded only when it has been verified.",
      files: ["packages/auth/src/hmac/string-to-sign.ts", "packages/auth/src/hmac/server.ts"],
      scenarios: ["H1", "H6", "H7", "H8", "H14"],
      standards: ["RFC 2104", "RFC 9421 §7.2.1", "SP 800-207 tenet 2"],
    },
    {
      id: "replayed-request",
      stride: "Tampering",
      threat: "An attacker sends a signed request again: at once, later, after a restart, or before its owner.",
      answer:
        "A nonce is claimed once, after the signature, until its time is over. A store that cannot know says so, and serves nothing.",
      files: ["packages/auth/src/hmac/nonces.ts", "packages/auth/src/hmac/server.ts"],
      scenarios: ["H2", "H2b", "H3", "H4", "H5", "H12", "H15"],
      standards: ["RFC 9421 §7.2.2", "SP 800-207 tenet 6"],
    },
    {
      id: "oversized-credential",
      stride: "Denial of service",
      threat:
        "An attacker makes the service work for nothing: huge tokens, floods of distinct ones, fresh nonces without end.",
      answer:
        "Sizes are looked at before anything is parsed, caches are bounded, and quotas are a key's own. Workloads and clients have a limit of calls a second.",
      files: [
        "packages/auth/src/bearer/token-format.ts",
        "packages/auth/src/bearer/signature-cache.ts",
        "packages/auth/src/hmac/nonces.ts",
        "packages/auth/src/limits/limiter.ts",
      ],
      scenarios: ["B16", "B17", "H11"],
      standards: ["SP 800-207 tenet 5", "API4:2023"],
    },
  ],
};
