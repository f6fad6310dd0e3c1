import type { Subject } from "../subject.ts";
import { apiKeys } from "./api-keys.ts";
import { cachedTokens } from "./cached-tokens.ts";
import { keyFile } from "./key-file.ts";
import { methods } from "./methods.ts";
import { nonces } from "./nonces.ts";
import { workloads } from "./workloads.ts";

export type SubjectName = "apiKeys" | "cachedTokens" | "nonces" | "workloads" | "methods" | "keyFile";

/** What there may be few or very many of, in the order of the page. */
export const subjects: Readonly<Record<SubjectName, Subject>> = {
  apiKeys,
  cachedTokens,
  nonces,
  workloads,
  methods,
  keyFile,
};
