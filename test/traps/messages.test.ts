import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { PingRequestSchema } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { echoClient } from "./echo-client.ts";
import { echoDefinition, echoServer } from "./echo-server.ts";

const { Unary: unary } = echoDefinition;

describe("a message that is serialized again is not what was on the wire", () => {
  test("library: protobuf-es moves unknown fields to the end when it serializes a message again", () => {
    // Field 2000 as a varint, which nobody knows, before field 1.
    const unknown = Buffer.from([0x80, 0x7d, 0x01]);
    const known = Buffer.from(toBinary(PingRequestSchema, create(PingRequestSchema, { text: "hello" })));
    const wire = Buffer.concat([unknown, known]);
    const again = Buffer.from(toBinary(PingRequestSchema, fromBinary(PingRequestSchema, wire)));
    expect(again).toEqual(Buffer.concat([known, unknown]));
  });
});

describe("decoding a Buffer and encoding to a Uint8Array", () => {
  test("library: a bytes field that protobuf-es reads from a Buffer is a view of it", () => {
    const wire = Buffer.from(toBinary(BytesValueSchema, create(BytesValueSchema, { value: Buffer.from("mine") })));
    const view = fromBinary(BytesValueSchema, wire);
    // page: bytes-view
    const copy = fromBinary(BytesValueSchema, new Uint8Array(wire));
    // end
    wire.fill("x");
    expect(Buffer.from(view.value).toString()).toBe("xxxx");
    expect(Buffer.from(copy.value).toString()).toBe("mine");
  });

  test("library: a serializer that gives a Uint8Array ends the call as INTERNAL", async () => {
    const responseSerialize = () => new Uint8Array([1]) as Buffer;
    using echo = await echoServer();
    echo.server.removeService({ Unary: unary });
    const answer: grpc.handleUnaryCall<Buffer, Buffer> = ({ request }, callback) => callback(null, request);
    echo.server.addService({ Unary: { ...unary, responseSerialize } }, { Unary: answer });
    using client = echoClient(echo.port);
    expect(await client.call()).toMatchObject({ code: grpc.status.INTERNAL });
  });
});
