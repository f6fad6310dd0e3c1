import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, status } from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { parseGrants } from "@zero-trust/auth/server";
import { identityFromMemory, mutualTlsChannels } from "@zero-trust/mtls";
import { createLog, type ServeLimits, type ServiceEntry, serve, service } from "@zero-trust/server";
import { attacker, createCa, grpcMessage, PingRequestSchema, PingService, pingHandlers } from "@zero-trust/testkit";
import { expect } from "vitest";
import { statusIn } from "./attackers.ts";
import { scenarioAlone } from "./scenario.ts";
import { slackMs, within } from "./within.ts";

// The services as they are have no handler that never answers, throws or answers twice, and their policies are complete.

const path = `/${PingService.typeName}/Ping`;
const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policy = definePolicy(PingService, { ping: rules, pingMany: rules, pingSum: rules, pingEach: rules });
const asIs = (bytes: Buffer) => bytes;
const pingMessage = (text: string) => grpcMessage(toBinary(PingRequestSchema, create(PingRequestSchema, { text })));

/** Serves one service as every service is served, to a caller who may call it and is not to be trusted. */
async function startServing(entry: ServiceEntry, limits: ServeLimits = {}) {
  const ca = await createCa();
  const spiffeId = "spiffe://production.internal/caller";
  const grants = parseGrants({ grants: [{ spiffeId, client: "caller", scopes: ["read:test"] }] });
  const serving = await serve({
    log: createLog({ name: "ping", destination: { write: () => undefined } }),
    identity: identityFromMemory(await ca.issue({ spiffeId: "spiffe://production.internal/ping" })),
    host: "127.0.0.1",
    port: 0,
    protect: { trustDomain: "production.internal", grants: { current: () => grants }, credentials: [] },
    services: [entry],
    limits,
  });
  const tls = await ca.issue({ spiffeId });
  const caller = attacker({ host: "127.0.0.1", port: serving.port, tls });
  const channels = mutualTlsChannels({
    identity: identityFromMemory(tls),
    target: `127.0.0.1:${serving.port}`,
    serverId: "spiffe://production.internal/ping",
  });
  const client = new Client("", credentials.createInsecure(), { channelOverride: channels.channel() });
  return {
    caller,
    /** Makes a unary call with a client of grpc-js; gives the name of its status. */
    unary: (bytes: Buffer) =>
      new Promise<string>((resolve) => {
        client.makeUnaryRequest(path, asIs, asIs, bytes, { deadline: Date.now() + slackMs }, (error) =>
          resolve(status[error?.code ?? status.OK]),
        );
      }),
    async [Symbol.asyncDispose]() {
      caller.close();
      channels.close();
      await serving.close();
    },
  };
}

scenarioAlone(
  "P9",
  "a handler that never answers is given the server's time, whatever the caller says",
  async (observe) => {
    const unaryMs = 1_000;
    let running = 0;
    const handlers = pingHandlers();
    const waiting = service(
      PingService,
      {
        ...handlers,
        async ping(request, context) {
          if (request.text === "answer") return handlers.ping(request, context);
          running += 1;
          // As a slow store would, it heeds the signal alone.
          await wait(10 * 60_000, undefined, { signal: context.signal }).finally(() => {
            running -= 1;
          });
          return handlers.ping(request, context);
        },
      },
      { policy },
    );
    await using serving = await startServing(waiting, { unaryMs });
    const session = await serving.caller.session();
    const answers = ["none", "99999999H", "999999999S", "1e9S", "1S1S"].map(async (deadline) => {
      const headers = deadline === "none" ? [] : ([["grpc-timeout", deadline]] as const);
      const call = session.open({ path, headers, body: [pingMessage("wait")] });
      if (!(await within(unaryMs + slackMs, call.answer))) call.cancel();
      return [deadline, await call.answer] as const;
    });
    for (const [deadline, answer] of await Promise.all(answers)) {
      observe(`the deadline ${deadline}, and a handler that never answers`, "DEADLINE_EXCEEDED", statusIn(answer));
    }
    // The handlers were told, too.
    await expect.poll(() => running).toBe(0);
    observe("one that answers", "OK", statusIn(await session.call({ path, body: [pingMessage("answer")] })));
  },
);

scenarioAlone(
  "P13",
  "a handler that throws is INTERNAL without a word, and one that answers twice answers once",
  async (observe) => {
    const handlers = pingHandlers();
    const throwing = service(
      PingService,
      {
        ...handlers,
        ping(request, context) {
          if (request.text === "throws") throw new Error("canary");
          if (request.text === "rejects") return Promise.reject(new Error("canary")) as never;
          return handlers.ping(request, context);
        },
      },
      { policy },
    );
    await using serving = await startServing(throwing);
    const session = await serving.caller.session();
    for (const what of ["throws", "rejects"]) {
      const answer = await session.call({ path, body: [pingMessage(what)] });
      observe(`a handler that ${what}`, "INTERNAL", statusIn(answer));
      expect(JSON.stringify(answer.headers)).not.toContain("canary");
    }
    observe("one that answers", "OK", statusIn(await session.call({ path, body: [pingMessage("answer")] })));

    // Ours cannot, as their answer is what they return; those of grpc-js itself can.
    const twice: ServiceEntry = {
      descriptor: PingService,
      policy,
      addTo(server) {
        server.register(
          path,
          (_: unknown, callback: (error: null, answer: Buffer) => void) => {
            callback(null, Buffer.from("first"));
            callback(null, Buffer.from("second"));
          },
          asIs,
          asIs,
          "unary",
        );
      },
    };
    await using another = await startServing(twice);
    for (const which of ["the first call", "the next one"]) {
      observe(
        `a handler that answers twice, ${which}`,
        "INTERNAL",
        await another.unary(pingMessage("twice").subarray(5)),
      );
    }
  },
);

scenarioAlone(
  "P19",
  "a service whose policy is not whole, or that nobody could call, does not start",
  async (observe) => {
    const cases: readonly (readonly [what: string, amiss: string, says: RegExp])[] = [
      [
        "a method has no policy",
        "no policy",
        /^payment: \/zerotrust\.testkit\.v1\.PingService\/Ping has no policy.*\.\n$/,
      ],
      [
        "nobody verifies signatures",
        "no HMAC",
        /^payment: The policy of \/payment\.v1\.PaymentService\/CreatePayment needs HMAC, .*\.\n$/,
      ],
    ];
    const starts = cases.map(async ([what, amiss, says]) => {
      const { listens, said, code } = await start(amiss);
      observe(what, "does not start", listens || code !== 1 ? `started: ${said}` : "does not start");
      expect(said).toMatch(says);
    });
    const right = start("nothing").then(({ listens, said }) => {
      observe("nothing is amiss", "OK", listens ? "OK" : said);
    });
    await Promise.all([...starts, right]);
  },
);

/** Starts the program; says whether it has listened before it ended, or was ended. */
async function start(amiss: string) {
  const main = fileURLToPath(new URL("amiss-main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", main, amiss], { stdio: ["ignore", "pipe", "pipe"] });
  let listens = false;
  let said = "";
  child.stdout.on("data", (text: Buffer) => {
    listens ||= text.includes('"msg":"listening"');
    if (listens) child.kill("SIGTERM");
  });
  child.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { listens, said, code };
}
