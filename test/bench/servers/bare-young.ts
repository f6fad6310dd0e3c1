// The reference, and what a change in Node and V8 would bring it.
import "./young.ts";
import "./bare.ts";
