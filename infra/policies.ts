/**
 * Every method of every service in proto/ has a policy that its service can enforce, asks for scopes that are declared in
 * `infra/grants/scopes.json`, and somebody declared can meet each of its rules. The last is a warning, the others are errors.
 */
import { globSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { DescService } from "@bufbuild/protobuf";
import { policyProblems } from "./src/policy/policy-problems.ts";

const found: DescService[] = [];
for (const file of globSync("proto/gen/**/*_pb.ts").sort()) {
  const exports = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  found.push(...Object.values(exports).filter(isService));
}

const { errors, warnings } = policyProblems(found);
for (const warning of warnings) console.warn(`! ${warning}`);
for (const error of errors) console.error(error);
if (errors.length > 0) process.exitCode = 1;

function isService(value: unknown): value is DescService {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service";
}
