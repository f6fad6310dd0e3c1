import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { apiKeyVectors } from "./api-key.ts";
import { hmacVectors } from "./hmac.ts";

const path = (name: string) => fileURLToPath(new URL(`../../../../docs/vectors/${name}`, import.meta.url));

/** The files of docs/vectors that are made here, and what stands in them. */
export const vectorFiles: readonly (readonly [path: string, text: string])[] = [
  [path("hmac.json"), `${JSON.stringify(hmacVectors, undefined, 2)}\n`],
  [path("api-key.json"), `${JSON.stringify(apiKeyVectors, undefined, 2)}\n`],
];

if (import.meta.main && process.argv.includes("--write")) {
  for (const [file, text] of vectorFiles) writeFileSync(file, text);
}
