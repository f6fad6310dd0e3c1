/** One measurement: of how many, and what it came to. */
export interface Point {
  readonly size: number;
  readonly value: number;
}

/**
 * The slope of the straight line through points (least squares).
 *
 * @throws RangeError when all of them lie at one place
 */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const square = sum(points.map(([x]) => (x - meanX) ** 2));
  if (!(square > 0)) throw new RangeError("A slope needs two places.");
  return sum(points.map(([x, y]) => (x - meanX) * (y - meanY))) / square;
}

/**
 * By how much a value grows with each tenfold of the size: the slope over the logarithms of the sizes. 0 is flat; what is looked for
 * in all of them has no such line, and a slope that grows with the sizes.
 *
 * @throws RangeError when there are fewer than two sizes
 */
export function perTenfold(points: readonly Point[]): number {
  return slope(points.map(({ size, value }) => [Math.log10(size), value]));
}

const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
