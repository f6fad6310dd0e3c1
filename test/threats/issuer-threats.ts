import type { Boundary } from "./threat.ts";

/** Between the services and the issuer. */
export const issuer: Boundary = {
  title: "The services and the issuer",
  intro:
    "The services read the issuer's keys and its list of revoked tokens, and get tokens for their own calls. Whoever speaks for the issuer decides who everybody is.",
  threats: [
    {
      id: "false-key-server",
      stride: "Spoofing",
      threat: "An attacker answers in the issuer's place, with keys of its own.",
      answer:
        "Keys are read over mutual TLS from the issuer's SPIFFE ID alone; another workload of the same CA is not read.",
      files: ["packages/mtls/src/https.ts", "packages/auth/src/bearer/jwks.ts"],
      scenarios: ["I7"],
      standards: ["RFC 8414 §6.2", "SP 800-207 tenet 2", "API10:2023"],
    },
    {
      id: "broken-key-server",
      stride: "Denial of service",
      threat: "The key server is slow, endless, wrong, or says nothing at all, and takes the services with it.",
      answer:
        "One fetch in flight, a time and a size for it, and the last good keys served for a stated time. After that, and without any, the answer is UNAVAILABLE.",
      files: ["packages/auth/src/bearer/polled-document.ts", "packages/auth/src/bearer/published-keys.ts"],
      scenarios: ["I1", "I2", "I3", "I4"],
      standards: ["SP 800-207 tenet 5", "API4:2023", "API10:2023"],
    },
    {
      id: "unknown-key-storm",
      stride: "Denial of service",
      threat:
        "An attacker shows tokens with a thousand key ids that there are not, so that the services bury the issuer in requests.",
      answer: "Unknown ids are asked for a bounded number of times, whether the issuer is up or down.",
      files: ["packages/auth/src/bearer/jwks.ts"],
      scenarios: ["I5"],
      standards: ["RFC 8725 §3.10", "API4:2023"],
    },
    {
      id: "token-storm",
      stride: "Denial of service",
      threat:
        "Our own clients bury the issuer: all at once at the start, or again and again when every token is refused.",
      answer:
        "One token request for all who wait; one refresh after a refusal, then the error; more and more time between attempts.",
      files: ["packages/auth/src/bearer/held-token.ts", "packages/auth/src/bearer/token-source.ts"],
      scenarios: ["I8", "I9", "I10"],
      standards: ["RFC 6749 §4.4", "API4:2023"],
    },
    {
      id: "token-for-another",
      stride: "Elevation of privilege",
      threat: "A client asks the issuer for scopes or an audience that it may not have, or asks as another client.",
      answer:
        "The issuer knows each client's certificate or secret, and what it may have for which service; the rest is refused, not cut down.",
      files: ["services/issuer/src/clients.ts", "services/issuer/src/provider.ts"],
      scenarios: ["B20"],
      standards: ["RFC 6749 §3.3", "RFC 8705 §2", "RFC 8707 §2", "API5:2023"],
    },
  ],
};
