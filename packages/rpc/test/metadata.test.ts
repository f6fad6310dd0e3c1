import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { type HandlerContext, RpcError } from "../src/index.ts";
import { collect, type PingServer, startPing } from "./ping-server.ts";

/** All that `Metadata` takes and HTTP/2 does not, or Node does not twice. */
function awkward(): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of [
    ["a:b", "x"],
    ["http2-settings", "x"],
    ["upgrade", "x"],
    ["age", "1"],
    ["age", "2"],
    ["x-list", "a"],
    ["x-list", "b"],
  ] as const) {
    metadata.add(name, value);
  }
  metadata.add("x-data-bin", Buffer.from([0, 1]));
  metadata.add("x-data-bin", Buffer.from([2]));
  return metadata;
}

function expectAwkward(metadata: Metadata | undefined): void {
  expect(metadata?.get("age")).toEqual(["1, 2"]);
  expect(metadata?.get("x-list")).toEqual(["a, b"]);
  expect(metadata?.get("x-data-bin")).toEqual([Buffer.from([0, 1]), Buffer.from([2])]);
  for (const name of ["a:b", "http2-settings", "upgrade"]) expect(metadata?.get(name)).toEqual([]);
}

/** Answers with metadata where the text of the request says. */
async function startAwkward(): Promise<PingServer> {
  const set = (where: string | undefined, { responseHeaders, responseTrailers }: HandlerContext): void => {
    if (where === "headers") responseHeaders.merge(awkward());
    if (where === "trailers") responseTrailers.merge(awkward());
  };
  const fail = (where: string | undefined): void => {
    if (where === "error") throw new RpcError(status.NOT_FOUND, "There is no such thing.", awkward());
  };
  return await startPing({
    ping: ({ text }, context) => {
      set(text, context);
      fail(text);
      return {};
    },
    async *pingMany({ text }, context) {
      set(text, context);
      yield {};
      fail(text);
    },
  });
}

describe("metadata that HTTP/2 has no way to carry is carried as far as it can be, and holds up nothing", () => {
  test.each([
    ["headers", status.OK],
    ["trailers", status.OK],
    ["error", status.NOT_FOUND],
  ])("in the %s of an answer", async (where, code) => {
    await using server = await startAwkward();
    let got: Metadata | undefined;
    const on = (metadata: Metadata): void => {
      got = metadata;
    };
    const options = where === "headers" ? { onHeaders: on } : { onTrailers: on };
    const calls = [
      (): Promise<unknown> => server.client.ping({ text: where }, options),
      (): Promise<unknown> => collect(server.client.pingMany({ text: where }, options)),
    ];
    for (const call of calls) {
      const error: unknown = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error instanceof RpcError ? error.code : status.OK).toBe(code);
      expectAwkward(got);
      got = undefined;
    }
    expect(server.errors).toEqual([]);
  });

  test("in a request", async () => {
    let got: Metadata | undefined;
    await using server = await startPing({
      ping: (_request, { metadata }) => {
        got = metadata;
        return {};
      },
    });
    const metadata = awkward();
    await server.client.ping({}, { metadata });
    expectAwkward(got);
    expect(metadata.get("x-list")).toEqual(["a", "b"]);
  });
});
