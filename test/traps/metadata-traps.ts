import type { Section } from "./trap.ts";

export const metadataTraps: Section = {
  title: "Metadata: where secrets travel",
  intro: "Tokens and keys are header values. These are the places where header values come out, merge or vanish.",
  traps: [
    {
      id: "traces",
      title: "`GRPC_TRACE` prints every credential",
      effect: "leaks",
      happens:
        "With `GRPC_TRACE=all` (or the tracers of calls) and `GRPC_VERBOSITY=DEBUG`, grpc-js writes the metadata of every call to standard error, `authorization` included. One environment variable in a deployment, set to look for something else, puts all tokens into the log.",
      instead: "`grpc.setLogger()` with a `debug` that writes nothing, in every service.",
      library: ["library: GRPC_TRACE prints the authorization of every call"],
      here: "Every service installs such a logger before anything else.",
      ours: [["packages/server/src/log.test.ts", "writes no trace of grpc-js, which would print metadata whole"]],
    },
    {
      id: "rejected-values",
      title: "A rejected value is repeated in errors and logs",
      effect: "leaks",
      happens:
        'An incoming header with a byte beyond ASCII is dropped, and logged at level ERROR with its value: so a secret with a typo in it lands in the server\'s log, and anybody can write there. On the client, `metadata.set("authorization", secret)` throws for a line feed at the end of a secret that was read from a file; the text of that error is the secret.',
      instead: "Trim and check secrets when they are read, and install a logger that leaves values out.",
      snippet: "redacting-logger",
      library: [
        "library: an incoming header that grpc-js rejects is logged at level ERROR with its value",
        "library: a value that grpc-js refuses to send is in the text of the error",
        "library: a logger of our own can leave the value out",
      ],
      here: "Such a logger; and keys and tokens are checked against their grammar, without being repeated, before they become metadata.",
      ours: [
        ["packages/server/src/log.test.ts", "keeps the value of a header that grpc-js rejects out of the log"],
        ["packages/auth/test/connect.test.ts", "refuses the malformed API key %j without repeating it"],
        [
          "packages/auth/test/connect.test.ts",
          "survives whatever a source of tokens rejects with, and tells nothing of a token",
        ],
      ],
    },
    {
      id: "duplicates",
      title: "Two values of a header become one, or one of them vanishes",
      effect: "surprises",
      happens:
        'Two values of a custom header arrive as a single one, `"one, two"`, not as a list of two. Of two `authorization` headers on the wire Node keeps the first and drops the other without a trace; a proxy in front that looks at the last has judged another token than you. A client of grpc-js with two `authorization` values gets INTERNAL, and sends nothing.',
      instead:
        "Hold every credential to a grammar in which comma and space cannot occur, and refuse what does not match: do not split, and do not take the first.",
      library: [
        "library: two values of a custom header arrive as one, joined",
        "library: of two authorization headers on the wire the first is all that a server sees",
        "library: two authorization values of a client of grpc-js end the call as INTERNAL",
      ],
      here: "A value out of its grammar is a refusal. Two credentials that would set the same key cannot be put on one channel.",
      ours: [
        [
          "packages/auth/test/protect.test.ts",
          "that are missing, malformed, several or of the other mode cost no look-up",
        ],
        ["packages/auth/test/connect.test.ts", "refuses two credentials that would set the same key"],
      ],
    },
    {
      id: "large-metadata",
      title: "Seventy kilobytes of metadata are taken from anybody",
      effect: "surprises",
      happens:
        "A server takes 70 kB of metadata in one call, before anything knows who is calling. `grpc.max_metadata_size`, which other implementations of gRPC know, passes the typings and is read by nothing: neither a server nor a client has a bound.",
      instead:
        "Bound what you do with metadata: check lengths before you parse. The limit itself is `settings.maxHeaderListSize` of the HTTP/2 server, which has no public way in.",
      library: [
        "library: a server takes 70 kB of metadata",
        "library: a client takes 60 kB of metadata, whatever grpc.max_metadata_size says",
      ],
      here: "On a server 16 KiB and 64 entries, by the file that touches private fields.",
      ours: [
        [
          "packages/server/src/grpc-js-internals.test.ts",
          "refuses metadata beyond the limit in bytes and in entries, and takes the next call",
        ],
        [
          "packages/server/test/limits.test.ts",
          "refuses metadata that is too much %s, to a client that does not care what it may send",
        ],
      ],
    },
  ],
};
