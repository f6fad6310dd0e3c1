import { status } from "@grpc/grpc-js";
import { PingService } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { RpcError, serviceConfig } from "../src/index.ts";
import { largeSums } from "./large-messages.ts";
import { collect, type PingServer, startPing, streamOf } from "./ping-server.ts";

const channel = {
  "grpc.service_config": serviceConfig([PingService]),
  // As channels over mutual TLS have it: it is the config from the DNS that is not asked for.
  "grpc.service_config_disable_resolution": 1,
};

/** A server whose handlers all begin with an attempt, of which the first ones fail; only those are counted. */
async function failing(
  times: number,
  code: status = status.UNAVAILABLE,
): Promise<PingServer & { readonly attempts: () => number }> {
  let attempts = 0;
  const attempt = (): void => {
    attempts += 1;
    if (attempts <= times) throw new RpcError(code, "Not now.");
  };
  const server = await startPing(
    {
      ping: ({ text }) => {
        attempt();
        return { text };
      },
      async *pingMany({ text }) {
        attempt();
        yield { text };
      },
      pingSum: async (requests) => {
        attempt();
        return { count: (await collect(requests)).length };
      },
      async *pingEach(requests) {
        attempt();
        for await (const { text } of requests) yield { text };
      },
    },
    { channel },
  );
  return { ...server, attempts: () => attempts };
}

describe("a call that could not be served", () => {
  test.each([
    ["unary", ({ client }: PingServer) => client.ping({ text: "a" }), { text: "a" }],
    ["server-streaming", ({ client }: PingServer) => collect(client.pingMany({ text: "a" })), [{ text: "a" }]],
    [
      "client-streaming",
      ({ client }: PingServer) => client.pingSum(streamOf({ value: 1 }, { value: 2 }, {})),
      { count: 3 },
    ],
  ])("is tried again, and served, if it may be repeated (%s)", async (_kind, call, answer) => {
    await using server = await failing(2);
    expect(await call(server)).toMatchObject(answer);
    expect(server.attempts()).toBe(3);
  });

  test("is given up after three attempts", async () => {
    await using server = await failing(Number.POSITIVE_INFINITY);
    await expect(server.client.ping({})).rejects.toMatchObject({ code: status.UNAVAILABLE, message: "Not now." });
    expect(server.attempts()).toBe(3);
  });

  test("is not tried again if its method is not marked as one that may be repeated", async () => {
    await using server = await failing(1);
    const call = collect(server.client.pingEach(streamOf({ text: "a" })));
    await expect(call).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(server.attempts()).toBe(1);
  });

  const others = Object.values(status).filter(
    (code): code is status => typeof code === "number" && code !== status.OK && code !== status.UNAVAILABLE,
  );
  test.each(others.map((code) => [status[code], code] as const))("is not tried again after %s", async (_name, code) => {
    await using server = await failing(1, code);
    await expect(server.client.ping({})).rejects.toMatchObject({ code });
    expect(server.attempts()).toBe(1);
  });

  test("is not tried again once an answer has arrived", async () => {
    let attempts = 0;
    await using server = await startPing(
      {
        async *pingMany() {
          attempts += 1;
          yield {};
          throw new RpcError(status.UNAVAILABLE, "Not now.");
        },
      },
      { channel },
    );
    await expect(collect(server.client.pingMany({}))).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(attempts).toBe(1);
  });

  test("fails, and does not hang, if what it sends is too much to be kept for another attempt", async () => {
    await using server = await failing(1);
    const { requests, closed } = largeSums();
    await expect(server.client.pingSum(requests)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await closed;
    expect(server.attempts()).toBe(1);
  });

  test("ends at its deadline, however many attempts are left", async () => {
    await using server = await failing(Number.POSITIVE_INFINITY);
    await expect(server.client.ping({}, { timeoutMs: 50 })).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });
});

test("a server that fails every call is soon spared the retries, and gets some again once it has recovered", async () => {
  let down = true;
  let attempts = 0;
  await using server = await startPing(
    {
      ping: () => {
        attempts += 1;
        if (down) throw new RpcError(status.UNAVAILABLE, "Not now.");
        return {};
      },
    },
    { channel },
  );
  const callNTimes = async (times: number): Promise<number> => {
    const before = attempts;
    await Promise.all(Array.from({ length: times }, () => server.client.ping({}).catch(() => {})));
    return attempts - before;
  };
  // Unthrottled it would be 300 and 300.
  expect(await callNTimes(100)).toBeLessThanOrEqual(200);
  expect(await callNTimes(100)).toBe(100);
  down = false;
  for (let round = 0; round < 8; round += 1) await callNTimes(100);
  for (let round = 0; round < 10; round += 1) await callNTimes(100);
  down = true;
  expect(await callNTimes(1)).toBe(3);
});

describe("the service config", () => {
  test("names the methods that may be repeated and no others", () => {
    const { methodConfig } = JSON.parse(serviceConfig([PingService])) as { methodConfig: { name: unknown }[] };
    const service = "zerotrust.testkit.v1.PingService";
    expect(methodConfig.map(({ name }) => name)).toEqual([
      ["Ping", "PingMany", "PingSum"].map((method) => ({ service, method })),
    ]);
    expect(JSON.parse(serviceConfig([]))).toMatchObject({ methodConfig: [] });
  });

  test("has as many attempts as it is told, and no more", async () => {
    let attempts = 0;
    await using server = await startPing(
      {
        ping: () => {
          attempts += 1;
          throw new RpcError(status.UNAVAILABLE, "Not now.");
        },
      },
      { channel: { "grpc.service_config": serviceConfig([PingService], { maxAttempts: 2 }) } },
    );
    await expect(server.client.ping({})).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(attempts).toBe(2);
  });

  test.each([0, 1, 6, 2.5, Number.NaN])("refuses %s attempts", (maxAttempts) => {
    expect(() => serviceConfig([PingService], { maxAttempts })).toThrow(TypeError);
  });
});
