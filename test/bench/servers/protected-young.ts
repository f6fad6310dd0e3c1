// Ours, and what a change in Node and V8 would bring it.
import "./young.ts";
import "./protected.ts";
