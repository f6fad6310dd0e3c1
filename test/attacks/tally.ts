/** How often each value is there, for people: `3 OK, 1 UNAVAILABLE`. */
export function tally(values: readonly string[]): string {
  return [...Map.groupBy(values, (value) => value)].map(([value, all]) => `${all.length} ${value}`).join(", ");
}
