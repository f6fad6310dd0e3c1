import { expect, test } from "vitest";
import { isOpenToOthers } from "./open-to-others.ts";

test.each([
  [65_532, 0o100600, false],
  [65_532, 0o100400, false],
  // What is only its owner's to read may be its group's when the owner is root, since then nobody else can have made it so.
  [0, 0o100440, false],
  [0, 0o100640, false],
  [65_532, 0o100440, true],
  [65_532, 0o100640, true],
  [0, 0o100660, true],
  [0, 0o100644, true],
  [0, 0o100604, true],
  [65_532, 0o100602, true],
])("a file of user %i with mode %o: %s", (uid, mode, open) => {
  expect(isOpenToOthers({ uid, mode })).toBe(open);
});
