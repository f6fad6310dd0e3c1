import type { Section } from "./trap.ts";

export const credentialTraps: Section = {
  title: "Who is let in, and what is sent to whom",
  intro: "Everything here goes wrong without an error, and most of it without a line in a log.",
  traps: [
    {
      id: "client-certificate",
      title: "`createSsl` asks no client for a certificate",
      effect: "lets in",
      happens:
        "The third argument of `ServerCredentials.createSsl(ca, pairs, checkClientCertificate)` is `false` unless given. A server without it serves callers that have no certificate, and callers with one of any other CA; `call.getAuthContext()` is `{}` for both. The CA in the first argument changes nothing about that.",
      instead:
        "Say `true`, and look at `getAuthContext().sslPeerCertificate` on every call all the same: the handshake is one line away from being made optional again.",
      snippet: "client-certificate",
      library: [
        "library: createSsl without its third argument serves a caller without a certificate, and one of another CA",
        "library: createSsl with true refuses them",
      ],
      here: "`mutualTlsServer` has no such option, and `peerOf` refuses a call without a verified certificate.",
      ours: [
        ["packages/mtls/src/server.test.ts", "refuses %s, and counts it once"],
        ["packages/mtls/src/peer.test.ts", "refuses a call without a certificate"],
      ],
    },
    {
      id: "default-roots",
      title: "`createSsl(null, …)` lets other people's CAs sign your callers",
      effect: "lets in",
      happens:
        "With `null` for the CA, a server trusts the roots that grpc-js trusts as a client: those in the file that `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH` names or, without that variable, the public CAs that come with Node. Any certificate of theirs that is good for clients is a caller of yours.",
      instead: "Always pass your own CA, and refuse to start where its file is empty.",
      library: ["library: createSsl(null) takes callers of the CAs in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"],
      here: "An identity without a CA, or with an empty file for it, does not load; the error names the file.",
      ours: [
        ["packages/mtls/src/tls-identity.test.ts", "names %s when it is missing"],
        ["packages/mtls/src/tls-identity.test.ts", "says what is wrong with %s (%#)"],
      ],
    },
    {
      id: "provider-order",
      title: "`createCertificateProviderServerCredentials` names its arguments in the wrong order",
      effect: "lets in",
      happens:
        "The typings say `(caCertificateProvider, identityCertificateProvider, requireClientCertificate)`, the code takes the identity first and the CA second. Whoever passes `null` as the second argument, which by the typings is the identity, turns client certificates off, and `requireClientCertificate: true` does not turn them on again.",
      instead: "Pass the same provider twice: that is right in either order.",
      snippet: "provider-order",
      library: [
        "library: a null second argument of createCertificateProviderServerCredentials asks nobody for a certificate",
        "library: the same provider in both places asks for a certificate",
      ],
      here: "Not used. `identityFromDirectory` follows the files, and `mutualTlsServer` takes nothing but an identity.",
      ours: [["packages/mtls/src/server.test.ts", "refuses %s, and counts it once"]],
    },
    {
      id: "server-identity",
      title: "`checkServerIdentity` replaces the check of the host name",
      effect: "leaks",
      happens:
        "The comment in grpc-js says that the callback runs after the name was checked. It runs instead: one that returns `undefined` accepts every certificate that your CA ever signed, so that each of your workloads can stand in for each other one.",
      instead:
        "Leave it out, or make it the whole check: call `tls.checkServerIdentity(host, certificate)` in it, or compare the one name that you expect. Return an `Error` for everything else.",
      library: ["library: a checkServerIdentity that returns undefined takes any certificate of the CA"],
      here: "`mutualTlsChannels` cannot be made without saying which workload has to answer, and sends nothing to another.",
      ours: [["packages/mtls/src/channels.test.ts", "refuses a server that is %s, and sends it nothing"]],
    },
    {
      id: "subchannel-pool",
      title: "The global subchannel pool hands a client another one's connection",
      effect: "leaks",
      happens:
        "Channels of one process share connections whose target, options and credentials are equal, and the comparison of credentials is loose. It does not look at `rejectUnauthorized`: a strict client gets the connection of a careless one, to a server that it would have refused. And composed call credentials are equal if the shorter list begins the longer one: a client that has `[a, b]` sends what a client with `[a, b, d]` generates.",
      instead: "Give every channel connections of its own, and merge call credentials into one generator.",
      snippet: "subchannel-pool",
      library: [
        "library: a strict client is given the connection of one with rejectUnauthorized false",
        "library: with grpc.use_local_subchannel_pool it is not",
        "library: a client with two call credentials sends the header of a client with three",
      ],
      here: "The option is set and cannot be changed; all credentials of a channel are one generator.",
      ours: [["packages/mtls/src/channels.test.ts", "does not let %s be changed"]],
    },
    {
      id: "plaintext-credentials",
      title: "Credentials of a call go out in clear",
      effect: "leaks",
      happens:
        "`credentials.createInsecure().compose(callCredentials)` throws, and it should. But the same call credentials in the options of one call are sent over the same plaintext channel, without a word.",
      instead:
        "Make clients in one place that owns both the channel and the credentials, and let no call bring its own.",
      library: [
        "library: credentials in the options of a call are sent over plaintext, though a channel refuses to compose them",
      ],
      here: "`connect()` takes channels of mutual TLS and nothing else, and a call that brings credentials is refused before anything is sent.",
      ours: [
        ["packages/auth/test/connect.test.ts", "refuses to send credentials over anything but mutual TLS"],
        [
          "packages/auth/test/connect.test.ts",
          "refuses credentials and reserved metadata of one call, before anything is sent",
        ],
      ],
    },
    {
      id: "interceptor-without-channel",
      title: "A client interceptor cannot tell TLS from plaintext",
      effect: "leaks",
      happens:
        "What an interceptor is given (the method, the options of the call) is the same for a channel with TLS and one without. An interceptor that adds a token adds it in clear too; there is nothing it could look at to refuse.",
      instead:
        "Add secrets as call credentials composed with the channel's credentials (`combineChannelCredentials`, which refuses plaintext), or in a factory that makes the channel itself.",
      library: ["library: a client interceptor is told nothing of the channel, and its header goes out in clear"],
      here: "Credentials are no interceptor: they are presented by a channel that wraps one of mutual TLS ([decision 3](decisions/0003-credentials-below-the-interceptors.md)).",
      ours: [["packages/auth/test/connect.test.ts", "refuses to send credentials over anything but mutual TLS"]],
    },
    {
      id: "generator-error",
      title: "A metadata generator that fails may send the call without credentials",
      effect: "leaks",
      happens:
        "`callback(error, null)` looks like Node's convention. grpc-js asks only whether the second argument is `undefined`; `null` is not, so the error is dropped and the call is sent with no credentials at all. A server that treats anonymous callers differently then answers something, rather than nothing.",
      instead: "Call back with the error alone. Give it a `code`, or its status is of grpc-js's choosing.",
      snippet: "generator-error",
      library: [
        "library: callback(error, null) in a metadata generator sends the call with no credentials",
        "library: callback(error) alone ends the call as UNAVAILABLE where the error says so",
      ],
      here: "A credential that cannot be had ends the call as UNAVAILABLE, and nothing has been sent.",
      ours: [["packages/auth/test/connect.test.ts", "sends nothing where a credential cannot be had"]],
    },
    {
      id: "call-interceptors",
      title: "The interceptors of one call replace those of the client",
      effect: "leaks",
      happens:
        "`interceptors` in the options of a call are not added to the client's, they take their place. One logger on one call takes authentication, signatures and deadlines off it.",
      instead:
        "Put nothing that has to happen into a client interceptor. What has to happen belongs to the channel: call credentials, or a channel of your own passed as `channelOverride`.",
      library: ["library: interceptors in the options of a call replace the client's"],
      here: "Credentials lie below everything that an option of a call can replace.",
      ours: [["packages/auth/test/connect.test.ts", "presents credentials whatever interceptors one call brings"]],
    },
  ],
};
