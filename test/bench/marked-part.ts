/** A part of a page that is printed from a result, between two marks. */
export interface Marks {
  readonly begin: string;
  readonly end: string;
}

/**
 * The page with these lines in its part.
 *
 * @throws Error when the page has no such part
 */
export function pageWithPart(page: string, { begin, end }: Marks, lines: string): string {
  const [before, rest = ""] = page.split(begin);
  const [, after] = rest.split(end);
  if (before === undefined || after === undefined) throw new Error("The page has no place for the figures.");
  return `${before}${begin}\n${lines}\n${end}${after}`;
}
