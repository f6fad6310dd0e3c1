import type { Section } from "./trap.ts";

export const interceptorTraps: Section = {
  title: "Interceptors, messages and what is lost between them",
  intro:
    "What an interceptor is told, when, and how often, is not what it seems; least of all for whoever signs or judges bytes.",
  traps: [
    {
      id: "unregistered-methods",
      title: "Calls to unregistered methods pass no interceptor",
      effect: "lets in",
      happens:
        "A call to a path that no service has is answered UNIMPLEMENTED before any interceptor runs: no authentication, no log, no limit. Anybody who can connect can find out which methods there are, and the answer repeats the path as it was sent.",
      instead: "There is no public way. Reckon with it, and let the handshake keep strangers away.",
      library: ["library: a call to an unregistered method passes no interceptor, and is answered with its path"],
      here: "The one file that touches private fields of grpc-js sends such calls through the interceptors, and refuses to start on a version of grpc-js that it does not know.",
      ours: [
        [
          "packages/server/src/grpc-js-internals.test.ts",
          "lets calls to unregistered methods pass the interceptors, and answers without an echo of the path",
        ],
        [
          "packages/server/src/serve.test.ts",
          "decides and logs calls to methods that are not registered, and does not echo their path",
        ],
      ],
    },
    {
      id: "decoded-first",
      title: "Bytes are decoded before an interceptor sees them",
      effect: "surprises",
      happens:
        "A server interceptor gets messages that the service's deserializer has already parsed: it can verify no signature over the bytes, and refuses a caller only after its message went through the parser. Changing the method definition that it is given does nothing, on either side.",
      instead: "Register the service with a deserializer that hands the bytes on, and decode after the verdict.",
      snippet: "wire-bytes",
      library: [
        "library: a message is decoded before a server interceptor sees it, whatever it does to the method",
        "library: a service whose deserializer hands the bytes on lets a server interceptor judge them first",
        "library: a client interceptor that hands on another serializer is ignored",
      ],
      here: "`wireBytes(definition)` does it for any generator's service; a signature is verified before anything is decoded.",
      ours: [
        [
          "packages/auth/test/protect.test.ts",
          "are refused for another message or method, before anything is decoded or a nonce spent",
        ],
        ["packages/auth/test/protect.test.ts", "where a service was registered without its wire bytes"],
      ],
    },
    {
      id: "attempts",
      title: "An interceptor runs once a call, and a call may be several attempts",
      effect: "breaks",
      happens:
        "When grpc-js retries, it sends the metadata again that the interceptors made: the same nonce, the same signature, the same timestamp. A server that refuses replays refuses your own retry.",
      instead: "Metadata generators run for each attempt. An interceptor can hand one on.",
      snippet: "per-attempt",
      library: [
        "library: a retry sends an interceptor's metadata again, while a metadata generator runs for each attempt",
      ],
      here: "Nonce, timestamp and signature are made anew for each attempt.",
      ours: [
        [
          "packages/auth/test/protect.test.ts",
          "have a fresh nonce at each attempt, so that our own retry is no replay",
        ],
      ],
    },
    {
      id: "async-start",
      title: "An interceptor whose `start` is asynchronous sends the message unchanged",
      effect: "surprises",
      happens:
        "If `start` calls `next` later (it fetches a token, say) and `sendMessage` changes the message, the message that is sent is the one from before the change. Nothing is reported.",
      instead:
        "Do not wait in `start` of an interceptor that also has a `sendMessage`. What has to be awaited fits into a [metadata generator](#attempts), which may take its time.",
      library: ["library: an interceptor whose start is asynchronous sends the message as it was before sendMessage"],
      here: "No interceptor of ours changes messages; what is signed are the bytes as they are handed to the transport.",
      ours: [["packages/auth/test/protect.test.ts", "may be empty, and cover every byte that was sent"]],
    },
    {
      id: "interceptor-order",
      title: "The order of interceptors differs by side and by hook",
      effect: "surprises",
      happens:
        "On a client, element 0 is nearest the caller. On a server, element 0 is nearest the wire: it is the first to see incoming metadata and the last to see the status, but its `start` runs last. An interceptor that refuses in `start` therefore acts before those that come ahead of it in the list.",
      instead: "Judge in `onReceiveMetadata`, not in `start`, and put the outermost server interceptor first.",
      library: [
        "library: element 0 of the server's interceptors is nearest the wire, and its start runs last",
        "library: element 0 of the client's interceptors is nearest the caller",
      ],
      here: "`serve()` fixes the order: decision log, authentication and authorization are one interceptor.",
      ours: [
        ["packages/server/src/serve.test.ts", "refuses a peer without grants, and lets nothing reach the handler"],
      ],
    },
    {
      id: "async-local-storage",
      title: "`AsyncLocalStorage` is lost at later messages of a stream",
      effect: "breaks",
      happens:
        "What an interceptor runs inside `storage.run()` reaches the handler, and its first lines; in the `data` events of later messages the store is gone. A caller's identity that is kept there is `undefined` in the middle of a stream.",
      instead:
        "`call.metadata` in the handler is the very object that the last interceptor handed on. A `WeakMap` with it as the key hands anything over, and nothing that a caller sends can forge it.",
      snippet: "identity-by-metadata",
      library: [
        "library: what an interceptor runs in AsyncLocalStorage is gone at later messages of a stream",
        "library: the handler's call.metadata is the very object that the last interceptor handed on",
      ],
      here: "`identityOf(call.metadata)` is that; handlers get their context as an argument.",
      ours: [
        ["packages/auth/src/identity.test.ts", "is known by the call's own metadata alone, not by a copy"],
        ["packages/rpc/test/bidi.test.ts", "gives the handler the metadata object of the last interceptor"],
      ],
    },
    {
      id: "serialized-again",
      title: "A message that is serialized again is not what was on the wire",
      effect: "breaks",
      happens:
        "Protobuf has no canonical form. protobuf-es moves fields that it does not know behind those that it knows; others order differently again. A signature over bytes that were parsed and serialized again fails for a caller with a newer schema.",
      instead:
        "Sign and verify the bytes of the wire: on a server with [a deserializer that hands them on](#decoded-first), on a client by serializing once.",
      library: ["library: protobuf-es moves unknown fields to the end when it serializes a message again"],
      here: "The bytes themselves are signed and verified.",
      ours: [
        ["packages/auth/test/protect.test.ts", "may be empty, and cover every byte that was sent"],
        [
          "packages/rpc/test/unary.test.ts",
          "gives the handler the metadata object of the last interceptor, which sees the bytes of the wire",
        ],
      ],
    },
    {
      id: "buffer-views",
      title: "A `bytes` field is a view of the network's buffer",
      effect: "leaks",
      happens:
        "`fromBinary(schema, buffer)` of protobuf-es makes `bytes` fields views of what it was given. Kept in a cache, a field of a few bytes keeps the whole buffer, and changes when anybody writes to it. In the other direction `toBinary` gives a `Uint8Array`, and grpc-js, which wants a `Buffer`, ends the call as INTERNAL.",
      instead:
        "Copy before parsing, and wrap after serializing: `Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)`.",
      snippet: "bytes-view",
      library: [
        "library: a bytes field that protobuf-es reads from a Buffer is a view of it",
        "library: a serializer that gives a Uint8Array ends the call as INTERNAL",
      ],
      here: "Both, in one codec.",
      ours: [["packages/rpc/src/message-codec.test.ts", "gives bytes that the network's buffer does not share"]],
    },
  ],
};
