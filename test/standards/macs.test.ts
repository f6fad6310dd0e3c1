import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { macs } from "./macs.ts";
import { vectorFolder } from "./vector-folder.ts";

const key = Buffer.alloc(32, 7);
const message = Buffer.from("a message");
const tag = createHmac("sha256", key).update(message).digest("hex");
const ofShortKey = createHmac("sha256", key.subarray(0, 16)).update(message).digest("hex");

test.each([
  ["a good MAC", key, tag, "accepted"],
  ["another MAC", key, ofShortKey, "refused: the signature is wrong"],
  ["half a MAC", key, tag.slice(0, 32), "refused: x-signature is malformed"],
  ["a short key", key.subarray(0, 16), ofShortKey, "refused: a secret that is too short, or none"],
])("judges %s", (_what, secret, mac, ours) => {
  using folder = vectorFolder();
  const test = {
    tcId: 3,
    comment: "a comment",
    key: secret.toString("hex"),
    msg: message.toString("hex"),
    tag: mac,
    result: "valid",
  };
  const path = folder.write("vectors.json", { testGroups: [{ keySize: 256, tests: [test] }] });
  expect(macs(path)).toEqual([{ id: "3", comment: "a comment", theirs: "valid", ours }]);
});
