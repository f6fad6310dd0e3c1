import type { BenchResult, CaseResult } from "./result.ts";

const WIDTH = 760;
const LEFT = 120;
const RIGHT = 70;
const ROW = 26;
const TOP = 48;

/**
 * Draws the processor time of a call in each case, of that of the reference: a bar to the middle of all pairs, and a line over the
 * quarters between which half of them lie. Readable on a light page and a dark one.
 */
export function chart({ cases }: Pick<BenchResult, "cases">): string {
  const most = Math.max(1, ...cases.map(({ processor }) => processor.high));
  const x = (times: number) => LEFT + (times / most) * (WIDTH - LEFT - RIGHT);
  const height = TOP + cases.length * ROW + 12;
  const rows = cases.map((each, at) => bar(each, TOP + at * ROW, x));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">
  <title id="title">Processor time of a call, of that of a bare grpc-js server or client over mutual TLS</title>
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .small { font-size: 12px; fill: #59636e; }
    .name { text-anchor: end; }
    .us { fill: #0969da; }
    .others { fill: #818b98; }
    line { stroke: #1f2328; }
    .bare { stroke-dasharray: 3 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small { fill: #9198a1; }
      .us { fill: #4493f8; }
      .others { fill: #656c76; }
      line { stroke: #f0f6fc; }
    }
  </style>
  <text x="${LEFT}" y="18">Processor time of a call, of that of a bare one over mutual TLS</text>
  <text class="small" x="${LEFT}" y="36">blue: ours; grey: others; the line: where the middle half of all pairs lies</text>
  <line class="bare" x1="${shown(x(1))}" x2="${shown(x(1))}" y1="${TOP - 4}" y2="${height - 8}"/>
${rows.join("\n")}
</svg>
`;
}

function bar({ name, by, processor: { median, low, high } }: CaseResult, top: number, x: (times: number) => number) {
  const middle = top + ROW / 2 - 2;
  const end = x(Math.max(high, median));
  return `  <text class="name" x="${LEFT - 8}" y="${middle + 4}">${name}</text>
  <rect class="${by}" x="${LEFT}" y="${top + 2}" width="${shown(x(median) - LEFT)}" height="${ROW - 8}" rx="2"/>
  <line x1="${shown(x(low))}" x2="${shown(x(high))}" y1="${middle}" y2="${middle}"/>
  <text class="small" x="${shown(end + 6)}" y="${middle + 4}">${median.toFixed(2)}×</text>`;
}

const shown = (value: number) => value.toFixed(1);
