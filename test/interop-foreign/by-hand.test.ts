import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { clientEnvironment } from "@zero-trust/infra/client-environment";
import { newStackFolder, startStack } from "@zero-trust/infra/stack";
import { expect, test } from "vitest";
import { byHandLines } from "../interop/by-hand-lines.ts";
import { pythonProgram } from "./toolchain.ts";

test("a client in Python without our packages makes the calls of docs/wire.md against the services", async () => {
  await using stack = await startStack(newStackFolder("by-hand-python"));
  const [python, ...args] = pythonProgram("try_by_hand.py");
  // A proxy would see whom we call.
  const env = { ...clientEnvironment(stack), https_proxy: "http://127.0.0.1:9" };
  const { stdout } = await promisify(execFile)(python, args, { env });
  expect(stdout.trimEnd().split("\n")).toEqual(byHandLines);
});
