/** `pnpm generate`: code from the .proto files, then `docs/policy.md` from that code. Arguments go to turbo. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

execFileSync("turbo", ["run", "generate", "--output-logs=errors-only", ...process.argv.slice(2)], { stdio: "inherit" });
const policy = ["--conditions=source", "infra/src/zt.ts", "policy", "--format", "markdown"];
const page = execFileSync(process.execPath, policy, { stdio: ["ignore", "pipe", "inherit"] });
writeFileSync("docs/policy.md", page);
