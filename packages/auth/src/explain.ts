export { type Decision, decide, type Finding, type Findings, type Grant, rulesFor } from "./decision.ts";
