import { readFileSync, writeFileSync } from "node:fs";
import { type Marks, pageWithPart } from "./marked-part.ts";

/** A result that is committed, and the part of `docs/performance.md` that shows it. */
export interface PagePart<Result> {
  /** The result that is committed. */
  last(): Result;
  /** The page as it is. */
  page(): string;
  /** The page with this result in it. */
  pageWith(result: Result): string;
  /** Keeps a result, and shows it. */
  write(result: Result): void;
}

const pagePath = new URL("../../docs/performance.md", import.meta.url);

/**
 * @param kept - the file of the result
 * @param linesOf - what the page shows of a result
 */
export function pagePart<Result>(kept: URL, marks: Marks, linesOf: (result: Result) => string): PagePart<Result> {
  const last = () => JSON.parse(readFileSync(kept, "utf8")) as Result;
  const page = () => readFileSync(pagePath, "utf8");
  const pageWith = (result: Result) => pageWithPart(page(), marks, linesOf(result));
  return {
    last,
    page,
    pageWith,
    write(result) {
      // More digits than any figure is good for.
      const short = (_key: string, value: unknown) =>
        typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
      writeFileSync(kept, `${JSON.stringify(result, short, 2)}\n`);
      writeFileSync(pagePath, pageWith(last()));
    },
  };
}
