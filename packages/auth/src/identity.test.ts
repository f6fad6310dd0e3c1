import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { identityOf, setIdentity } from "./identity.ts";

const identity = { client: "storefront", spiffeId: "spiffe://production.internal/storefront", scopes: [] };

test("is known by the call's own metadata alone, not by a copy", () => {
  const metadata = new Metadata();
  setIdentity(metadata, identity);
  expect(identityOf(metadata)).toBe(identity);
  expect(() => identityOf(metadata.clone())).toThrow(/no identity: put protect\(\)/);
});
test("is nobody for a call that did not pass protect()", () => {
  expect(() => identityOf(new Metadata())).toThrow(/no identity/);
});
test("is the last one where one call passes two interceptors", () => {
  const metadata = new Metadata();
  setIdentity(metadata, identity);
  setIdentity(metadata, { ...identity, client: "partner" });
  expect(identityOf(metadata).client).toBe("partner");
});
