import type { Section } from "./trap.ts";

export const tlsTraps: Section = {
  title: "The TLS socket",
  intro:
    "There are two public ways to decide how a server speaks TLS: a subclass of the exported `ServerCredentials`, or a `tls.Server` of your own whose sockets go to `server.createConnectionInjector()`. Why this repository takes the second is in [decision 2](decisions/0002-who-owns-the-tls-socket.md).",
  traps: [
    {
      id: "tls-1-2",
      title: "TLS 1.2 is accepted",
      effect: "surprises",
      happens:
        "No argument of `createSsl` sets the version, so a server speaks whatever Node's defaults allow, TLS 1.2 among it. There the client's certificate crosses the network in clear.",
      instead:
        "`ServerCredentials` is exported and may be subclassed; its TLS options are the second argument of the constructor and of `updateSecureContextOptions`. A client gives a context of its own to `credentials.createFromSecureContext()`.",
      snippet: "own-server-credentials",
      library: [
        "library: a server of createSsl speaks TLS 1.2",
        "library: a subclass of ServerCredentials can refuse it, and goes on refusing it after a reload",
      ],
      here: "TLS 1.3 alone, for gRPC and HTTPS, servers and clients.",
      ours: [
        ["packages/mtls/src/server.test.ts", "refuses %s, and counts it once"],
        ["packages/mtls/src/https.test.ts", "refuse a client of another CA, one without a certificate, and TLS 1.2"],
      ],
    },
    {
      id: "reload-loses-options",
      title: "A reload loses the TLS options of the constructor",
      effect: "lets in",
      happens:
        "TLS options given with the server options, in the first argument of the constructor of `ServerCredentials` (`minVersion`, `crl`, `secureOptions`, `sigalgs`), hold until the first `updateSecureContextOptions()`. That replaces the context by what it is given and nothing else: after the first rotation of certificates the server speaks TLS 1.2 again and knows no CRL.",
      instead:
        "Put the whole policy into the context options, each time: one function that makes them from the material, as [above](#tls-1-2).",
      library: ["library: minVersion in the constructor options is lost at the first updateSecureContextOptions"],
      here: "All rules stand in one function, from which the first context and every later one is made.",
      ours: [
        [
          "packages/mtls/test/rotation.test.ts",
          "loosens nothing: TLS 1.2 stays out, a certificate stays needed, and no session can be resumed",
        ],
      ],
    },
    {
      id: "session-tickets",
      title: "A session ticket revives a certificate that has expired",
      effect: "lets in",
      happens:
        "A client that connected while its certificate was good holds a session ticket. When the certificate has expired, a full handshake is refused, and one that resumes the session is let in: TLS does not look at the certificate again. With `ticketKeys` of your own, which outlive a reload, even one of a CA that was taken out is.",
      instead:
        "`secureOptions: SSL_OP_NO_TICKET` in the context options, [each time](#reload-loses-options). gRPC connections live long; resumption gains little.",
      library: [
        "library: an expired client certificate is served again by a session ticket",
        "library: with ticketKeys of our own, a session is resumed after its CA was taken out",
        "library: with SSL_OP_NO_TICKET there is no session to resume",
      ],
      here: "No tickets, so no session is ever resumed; and the certificate's end is checked on every call.",
      ours: [
        ["packages/mtls/src/server.test.ts", "refuses an expired certificate with a session of when it was good"],
        ["packages/mtls/src/server.test.ts", "never resumes a session"],
      ],
    },
    {
      id: "injected-connections",
      title: "A connection that you inject is drained by nobody",
      effect: "breaks",
      happens:
        "`server.tryShutdown()` does not wait for calls on injected connections: its callback comes at once, and a process that exits then cuts them off. `forceShutdown()`, on the other hand, ends no running call, on any connection, of a server with `grpc.enable_channelz: 0`. And of the options of HTTP/2, those that have no channel option (`streamResetBurst`, for one) do not reach the server that grpc-js makes for injected connections.",
      instead:
        "Keep the sockets that you inject. To shut down, stop accepting, call `injector.drain(graceMs)`, and wait until the last socket has closed.",
      library: [
        "library: tryShutdown calls back while a call on an injected connection is running",
        "library: forceShutdown leaves running calls alone where grpc.enable_channelz is 0",
        "library: streamResetBurst does not reach a server of injected connections",
      ],
      here: "`MutualTlsServer.close()` is what drains, and resolves when the last connection is closed.",
      ours: [
        ["packages/mtls/src/server.test.ts", "lets a running call end before it is closed, and takes no other"],
        ["packages/mtls/src/server.test.ts", "cuts off what is still running after the time to drain"],
      ],
    },
    {
      id: "no-connection-handle",
      title: "A call has no handle of its connection",
      effect: "surprises",
      happens:
        "Nothing that an interceptor or handler can reach is the same object for two calls of a connection: what is known of the connection, such as its parsed certificate, has no place to be kept.",
      instead:
        "`call.getConnectionInfo()` gives the four addresses, which are one connection's for as long as it lives. Fill a map when a socket is accepted, and empty it when the socket closes.",
      library: [
        "library: a server interceptor gets the four addresses of its connection, and nothing that lives as long",
      ],
      here: "That map, so that a certificate is parsed once a connection.",
      ours: [
        ["packages/mtls/src/connections.test.ts", "finds a connection by its addresses until it closes"],
        ["packages/mtls/src/peer.test.ts", "parses once a connection"],
      ],
    },
    {
      id: "ip-literals",
      title: "TLS to an IP address fails on Node 26",
      effect: "breaks",
      happens:
        "grpc-js passes the host of the target as `servername`, and an IP address is none (RFC 6066 §3). Node 24 warns (DEP0123) and goes on. Node 26 (26.10.0, tried by hand) throws, and the call ends as UNAVAILABLE.",
      instead: 'Set `"grpc.ssl_target_name_override"` to a name that the certificate has.',
      library: ["library: for a target that is an IP address Node warns, unless grpc.ssl_target_name_override is set"],
      here: "A channel is told whom it expects, and that name is the override; the address decides nothing.",
      ours: [["packages/mtls/src/channels.test.ts", "reaches the workload that it expects, at an IP address"]],
    },
  ],
};
