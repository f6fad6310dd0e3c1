import type { Section } from "./trap.ts";

export const http2Traps: Section = {
  title: "HTTP/2, the process and its surroundings",
  intro: "gRPC's defaults are for a friendly network.",
  traps: [
    {
      id: "no-limits",
      title: "What is not set is not limited",
      effect: "surprises",
      happens:
        "A server offers 2³² − 1 streams on each connection, gives a session no bound in memory, and keeps idle connections for ever. `grpc.max_connection_idle_ms` does not help against a call whose message never ends: it keeps its stream, its memory and its connection, beyond the idle time. A TLS handshake may take two minutes.",
      instead:
        "Set `grpc.max_concurrent_streams`, `grpc-node.max_session_memory` (in MB), `grpc.max_connection_idle_ms`, `grpc.max_connection_age_ms` and its grace, and the keepalive times. For messages that do not come there has to be a timer of your own; `handshakeTimeout` is an option of the TLS server.",
      library: [
        "library: a server that sets no limits offers 2^32 - 1 streams and has no bound on a session's memory",
        "library: with all options that limit something, a call is served and the limits are told",
        "library: a message that never ends keeps a call and its connection open beyond the idle time",
        "library: a TLS handshake may take two minutes",
      ],
      here: "Each of these has a value in `hardenedServerOptions`, as a named constant with its reason; there are timers for the handshake, the first message and the whole call.",
      ours: [
        ["packages/server/test/limits.test.ts", "ends a connection that is idle, and not one with a call"],
        [
          "packages/server/test/limits.test.ts",
          "ends a call whose request never comes, and says in the log that it was never decided",
        ],
        ["packages/mtls/src/server.test.ts", "drops %s, and counts it once"],
      ],
    },
    {
      id: "any-authority",
      title: "A call for any `:authority` is served",
      effect: "surprises",
      happens:
        "The `:authority` of a call (`call.getHost()`) is whatever the caller wrote. Nothing compares it with the certificate or the address.",
      instead: "Take the name of your own service, an expected audience above all, from configuration.",
      library: ["library: a call for any :authority is served"],
      here: "The audience of tokens and keys is configured, and a signature covers the method's path.",
      ours: [
        ["packages/auth/src/bearer/server.test.ts", "B12 for another audience"],
        ["packages/auth/src/hmac/server.test.ts", "H6: a signature for another method"],
      ],
    },
    {
      id: "refused-uploads",
      title: "A caller that was refused may go on uploading",
      effect: "surprises",
      happens:
        "After a status without a message grpc-js resets nothing: it reads what the caller still sends, and throws it away, at the speed of the network and for as long as the caller likes. No limit of messages applies, since there are none.",
      instead: "There is no public way to cut a refused stream off. Bound the age of connections, and their number.",
      library: ["library: a server goes on taking what a refused caller uploads"],
      here: "The file that touches private fields asks the caller to stop (RST_STREAM with NO_ERROR, RFC 9113 §8.1), which does not cost it the status.",
      ours: [
        [
          "packages/server/src/grpc-js-internals.test.ts",
          "takes no more from a caller that was refused, which reads its status and keeps its connection",
        ],
      ],
    },
    {
      id: "time-outs",
      title: "Many time-outs at once break the other calls",
      effect: "breaks",
      happens:
        "A call that times out is reset by its client, and Node takes many resets for the attack of that name: by default a thousand at once, and 33 a second. 1,500 calls that time out together, as they do when a database stalls, close their connection, and healthy calls on it fail.",
      instead:
        "Keep `grpc.max_concurrent_streams` below the burst; and where callers are authenticated, raise `streamResetBurst` and `streamResetRate`, which the constructor options of a `ServerCredentials` of your own can do.",
      snippet: "reset-burst",
      library: [
        "library: a call that times out is reset by its client, as one that is cancelled",
        "library: 1,500 calls that are given up at once break the other calls on their connection",
        "library: with streamResetBurst and streamResetRate they do not",
      ],
      here: "At most 100 streams a connection, and room for 3,000 resets at once and 100 a second after that, set by the file that touches private fields. What no setting changes: Node counts a stream for a turn of its event loop after its reset, so that where all hundred are cancelled in one moment, calls that take their place in that moment may get RESOURCE_EXHAUSTED; their connection lives, and the next are served.",
      ours: [
        [
          "packages/server/src/grpc-js-internals.test.ts",
          "1 500 calls that time out at once do not end their connection",
        ],
        [
          "packages/server/test/limits.test.ts",
          "1 500 calls cancelled, 99 at a time, leave another call on their connection alone",
        ],
      ],
    },
    {
      id: "young-collections",
      title: "A call that is over may stay in memory until the whole heap is collected",
      effect: "surprises",
      happens:
        "Node keeps the streams of a connection in a `Map`, for which V8 makes a new table now and then; the former one refers to it. Once one of them is old, as any is after a full collection, young collections take none that follows it, nor the streams that were in them. With 16 calls at a time that is nearly every stream, with all that its listeners reach: credentials in metadata, the message, what your interceptors know. It is copied, gets old and waits for a full collection. Measured once, on a server of TLS with 64 calls at a time on four connections: the collector moved 7 of the 19 KB that each call makes, with a quarter of all processor time and in pauses of 20 to 40 ms; with that `Map` replaced, 0.1 KB. A `Set` or `Map` of your own does the same to the calls that run. A getter in an object literal that is made for each call gives each object a shape of its own, which is old at once and holds what the getter sees.",
      instead:
        "There is no public way to change Node's `Map`. Let a call that is over let go of what hangs on it. A `Set` of those that run has holders (`{ call }`), each of which is emptied when it leaves; getters are those of a class.",
      snippet: "let-go",
      library: [
        "library: most of 400 calls that are over survive young collections with their metadata, and none a full one",
        "library: so does what an interceptor knows of a call, unless it lets go of it in onCancel",
        "library: a Set of what runs does the same, unless it has holders that are emptied",
        "library: a getter in an object literal keeps what it sees in the same way, and one of a class does not",
      ],
      here: "Calls of a server and of a client let go when they end, `serve()` takes the listeners off a stream that has closed, and the contexts of all handlers have one getter ([decision 15](decisions/0015-speed.md)).",
      ours: [
        [
          "packages/auth/src/endable-call.test.ts",
          "a call that is over lets go of its judge and of its handler, also while something still holds the call",
        ],
        [
          "packages/auth/src/authenticated-call.test.ts",
          "a call that is over lets go of who heard it, also while something still holds the call",
        ],
        [
          "packages/server/src/covered-session.test.ts",
          "nobody listens to a stream that is over, and an error of it that comes late ends nothing",
        ],
        [
          "packages/rpc/src/incoming-call.test.ts",
          "the contexts of all calls have one getter, and a copy of one has its signal",
        ],
      ],
    },
    {
      id: "malformed",
      title: "A malformed request ends the process, before 1.14.4",
      effect: "breaks",
      happens:
        "Up to 1.14.3 one message that says it is compressed and is not ended a server, or a client ([GHSA-99f4-grh7-6pcq](https://github.com/advisories/GHSA-99f4-grh7-6pcq)), and so did a stream that was reset with an error before it had become a call ([GHSA-5375-pq7m-f5r2](https://github.com/advisories/GHSA-5375-pq7m-f5r2)). Neither needs a credential. What these tests send ends a process with 1.14.3.",
      instead:
        "grpc-js 1.14.4 or later, everywhere in the dependency tree; it comes along with telemetry exporters and cloud clients. The same for protobufjs, which it brings along.",
      library: [
        "library: a server survives messages that are said to be compressed and are not",
        "library: a server survives a stream that is reset with an error before it has become a call",
        "library: the installed protobufjs, which grpc-js brings along, is 7.6.1 or later",
      ],
      here: "One exact version in the catalog of the workspace, and an override for protobufjs. No `.proto` is loaded at run time.",
      ours: [["packages/rpc/test/compression.test.ts", "that %s is INTERNAL, and nothing else suffers"]],
    },
    {
      id: "proxy",
      title: "`https_proxy` reroutes the channels between your services",
      effect: "surprises",
      happens:
        "A variable that somebody set for downloads (`grpc_proxy`, `https_proxy`, `http_proxy`) sends every channel of the process through that proxy, loopback included. It also learns whom you call.",
      instead: '`"grpc.enable_http_proxy": 0` on each channel.',
      library: ["library: https_proxy reroutes a channel, unless grpc.enable_http_proxy is 0"],
      here: "Set, and cannot be changed.",
      ours: [["packages/mtls/src/channels.test.ts", "does not let %s be changed"]],
    },
    {
      id: "txt-record",
      title: "A TXT record in the DNS brings a retry policy",
      effect: "surprises",
      happens:
        "For a target that is a name, grpc-js asks the DNS for a service config, in a TXT record that begins with `grpc_config=`, and follows it: retries, time-outs, load balancing. Whoever can answer your DNS can have your writes sent several times.",
      instead: '`"grpc.service_config_disable_resolution": 1`, and the policy in `"grpc.service_config"`.',
      library: ["library: a TXT record brings a retry policy, unless grpc.service_config_disable_resolution is 1"],
      here: "Set, and cannot be changed.",
      ours: [["packages/mtls/src/channels.test.ts", "does not let %s be changed"]],
    },
  ],
};
