import type { Section } from "./trap.ts";

export const callTraps: Section = {
  title: "Calls that hang, and errors that tell too much",
  intro: "grpc-js speaks callbacks and events. Promises meet it at their own risk.",
  traps: [
    {
      id: "rejected-promises",
      title: "A rejected promise hangs the caller and ends the process",
      effect: "hangs",
      happens:
        "An `async` handler that throws, or an `async onReceiveMetadata` in a server interceptor, is an unhandled rejection: nobody answers, and the caller waits until its deadline, for ever if it has none. Node ends a process on an unhandled rejection, and every other call with it.",
      instead: "Wrap every handler and every listener once: await it in a `try`, and answer INTERNAL in the `catch`.",
      library: [
        "library: an async handler that rejects is an unhandled rejection, and its caller waits for its deadline",
        "library: an async onReceiveMetadata that rejects is an unhandled rejection, and its caller waits for its deadline",
        "library: an unhandled rejection ends the process, and every call in it",
      ],
      here: "Handlers are async functions, and whatever they throw is answered; so is what throws into `protect()`.",
      ours: [
        ["packages/rpc/test/unary.test.ts", "answers INTERNAL without text and reports the cause when it %s"],
        [
          "packages/auth/test/protect.test.ts",
          "where a handler throws into the interceptor: INTERNAL at once, and in the log",
        ],
      ],
    },
    {
      id: "error-text",
      title: "`callback(error)` sends the error's text to the caller",
      effect: "leaks",
      happens:
        'The message of an `Error` that a handler calls back with is the `details` of the status: host names, SQL, file paths, whatever the driver put into it. What a handler throws synchronously is answered as "Unknown error" (1.14.3 still sent its text, and a newer version does where `GRPC_NODE_DEBUG_SEND_ERROR_DETAILS` is `true`).',
      instead: "Call back with a status of your own (`{ code, details }`) and a fixed sentence; log the cause.",
      library: [
        "library: callback(new Error(text)) sends the text to the caller",
        "library: an error that a handler throws synchronously is answered without its text",
      ],
      here: "An `RpcError` is answered as it is; everything else is INTERNAL without text, and is reported to `onError`.",
      ours: [
        ["packages/rpc/test/unary.test.ts", "answers INTERNAL without text and reports the cause when it %s"],
        ["packages/server/src/serve.test.ts", "answers INTERNAL without text when a handler fails, and logs why"],
      ],
    },
    {
      id: "half-a-surrogate",
      title: "Half an emoji in the details hangs the call",
      effect: "hangs",
      happens:
        "grpc-js encodes `details` with `encodeURI`, which throws for half a surrogate pair, as `text.slice(0, 100)` may leave one. The exception comes out of your `callback()`, no status is sent, and the caller waits for its deadline.",
      instead: "Make texts well-formed before they become details.",
      snippet: "well-formed",
      library: [
        "library: half a surrogate pair in the details leaves the caller without an answer",
        "library: toWellFormed answers it",
      ],
      here: "Every text that becomes a status is made well-formed, and is cut to what trailers can hold.",
      ours: [["packages/rpc/test/unary.test.ts", "answers with a text of %s"]],
    },
    {
      id: "leaving-a-loop",
      title: "Leaving a `for await` loop over a call hangs it",
      effect: "hangs",
      happens:
        "`for await (const message of call)` with a `break` (or `return`, or a throw) destroys the stream, and on a server the status goes with it: `call.end()` after the loop sends nothing, and the caller waits for its deadline.",
      instead: "Ask Node for an iterator that leaves the stream alone.",
      snippet: "destroy-on-return",
      library: [
        "library: a handler that leaves for await (… of call) never answers",
        "library: with iterator({ destroyOnReturn: false }) it does",
      ],
      here: "Handlers loop over an iterator of ours, and may leave it whenever they like.",
      ours: [
        [
          "packages/rpc/test/bidi.test.ts",
          "may be ended by the handler before all has been read, which closes the caller's generator",
        ],
        ["packages/rpc/test/client-stream.test.ts", "may be answered without a look at what is sent"],
      ],
    },
    {
      id: "cancelled-uploads",
      title: "A cancelled upload looks complete",
      effect: "surprises",
      happens:
        "A client of grpc-js that cancels in the middle of a stream of requests first ends the stream and then resets it. The server's handler sees `end`, as after the last message, and only then `cancelled`. A handler that commits at `end` commits half an upload.",
      instead:
        "Let the messages say that they are complete (a count, a last message), or wait a moment after `end` and look at `call.cancelled`.",
      library: ["library: an upload that its caller cancels ends like a whole one before it is cancelled"],
      here: "The iterator of requests waits that moment, and throws if the cancellation follows.",
      ours: [
        ["packages/rpc/test/client-stream.test.ts", "ends the handler's reading when the caller cancels"],
        ["packages/rpc/test/client-stream.test.ts", "ends the handler's reading when the deadline passes"],
      ],
    },
    {
      id: "half-an-answer",
      title: "A call whose answer breaks off is not tried again",
      effect: "surprises",
      happens:
        "The headers of an answer end all retries (gRFC A6), of a unary call too, which has seen nothing yet. grpc-js and Node send headers, message and status with several writes, so when a server under load is killed, one of its calls may be between them: its caller gets UNAVAILABLE, whatever the retry policy says.",
      instead: "Make the call again yourself where its method may be repeated, once, after UNAVAILABLE.",
      library: [
        "library: a unary call whose server dies after the headers of its answer is not tried again",
        "library: one whose server dies before them is",
      ],
      here: "A typed client with `attemptTimeoutMs` does that for unary methods whose `idempotency_level` allows it.",
      ours: [
        ["packages/rpc/test/load-balancing.test.ts", "is followed by another"],
        ["packages/rpc/test/load-balancing.test.ts", "is followed by one other, and no more"],
      ],
    },
    {
      id: "no-deadline",
      title: "There is no deadline unless the caller sets one",
      effect: "hangs",
      happens:
        "Without a deadline in the options of a call there is none: the client waits for ever, and `call.getDeadline()` in the handler is `Infinity`. The server has no maximum either.",
      instead:
        "Set a deadline on every call, in the one place that makes clients, and a timer of your own on the server.",
      library: ["library: without a deadline the handler sees Infinity"],
      here: "Calls of our clients always have one, which ends no later than that of the call that they are made for; and a server has a maximum.",
      ours: [
        ["packages/rpc/test/call-limits.test.ts", "ends at the server's maximum %s"],
        ["packages/rpc/test/unary.test.ts", "always has a deadline"],
        ["packages/rpc/test/unary.test.ts", "ends no later than the call that it is made for"],
      ],
    },
    {
      id: "long-deadlines",
      title: "A deadline in 30 days is over at once",
      effect: "breaks",
      happens:
        "A server reads the time that a caller gives it as a number of 32 bits. From 2³¹ milliseconds on, which are not 25 days, the number overflows: in 30 days is in the past, and the call ends as DEADLINE_EXCEEDED before its handler has answered; still later deadlines come out as any time at all.",
      instead: "For a stream without an end set no deadline, or one of hours, and begin again.",
      library: ["library: a deadline in 30 days is over at once, one in 24 days is not"],
      here: "Clients refuse such a time-out, and on a server its own maximum holds.",
      ours: [
        ["packages/rpc/test/unary.test.ts", "refuses %s as time-out"],
        ["packages/rpc/test/call-limits.test.ts", "ends at the server's maximum %s"],
      ],
    },
  ],
};
