import { create } from "@bufbuild/protobuf";
import { PingRequestSchema, PingService } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { requestFingerprint } from "./request-fingerprint.ts";

const { ping } = PingService.method;
const hex = (text: string, method = ping) =>
  Buffer.from(requestFingerprint(method, create(PingRequestSchema, { text }))).toString("hex");

test("is the same for the same request, and another for another message or method", () => {
  expect(hex("a")).toBe(hex("a"));
  expect(hex("a")).toMatch(/^[0-9a-f]{64}$/);
  expect(hex("b")).not.toBe(hex("a"));
  const other = requestFingerprint(
    PingService.method.pingEach,
    create(PingService.method.pingEach.input, { text: "a" }),
  );
  expect(Buffer.from(other).toString("hex")).not.toBe(hex("a"));
});
