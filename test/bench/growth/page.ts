import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { markdownTable as table } from "../../scaling/markdown-table.ts";
import { pageWithPart } from "../marked-part.ts";
import type { Spread } from "../statistics.ts";
import type { Circumstances, Figures } from "./figures.ts";
import type { HandshakeFigures } from "./handshakes.ts";
import type { ImageFigures } from "./images.ts";
import type { LookUpFigures } from "./look-ups.ts";
import type { SubjectFigures, WorkFigures } from "./measure-subject.ts";
import type { MemoryFigures } from "./memory.ts";
import type { PauseFigures } from "./pauses.ts";
import type { ProcessFigures } from "./process-times.ts";

/** What the last run of each part measured, and the page that shows it. */
const measuredPath = fileURLToPath(new URL("measured.json", import.meta.url));
const pagePath = fileURLToPath(new URL("../../../docs/growth.md", import.meta.url));

const marks = { begin: "<!-- measured: written by `pnpm bench:growth --write` -->\n", end: "<!-- end -->\n" };

/** The figures that are committed. */
export function measured(): Partial<Figures> {
  return existsSync(measuredPath) ? (JSON.parse(readFileSync(measuredPath, "utf8")) as Partial<Figures>) : {};
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The page with these figures in it. */
export function pageWith(figures: Partial<Figures>): string {
  return pageWithPart(page(), marks, linesOf(figures));
}

/** Keeps what a run measured beside what it did not measure, and shows all of it. */
export function writeMeasured(figures: Partial<Figures>): void {
  const all = { ...measured(), ...figures };
  writeFileSync(measuredPath, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(pagePath, pageWith(all));
}

/** What there is, as sections of a page. */
export function linesOf({
  subjects,
  lookUps,
  pauses,
  handshakes,
  processes,
  memory,
  images,
}: Partial<Figures>): string {
  const sections = [
    ...(subjects === undefined
      ? []
      : ["## Decisions and memory", of(subjects.circumstances), ...subjects.figures.flatMap(subjectLines)]),
    ...(lookUps === undefined
      ? []
      : ["## API keys in a table of PostgreSQL", of(lookUps.circumstances), ...lookUpLines(lookUps.figures)]),
    ...(pauses === undefined ? [] : ["## Pauses", of(pauses.circumstances), ...pauseLines(pauses.figures)]),
    ...(handshakes === undefined
      ? []
      : ["## Handshakes", of(handshakes.circumstances), ...handshakeLines(handshakes.figures)]),
    ...(processes === undefined
      ? []
      : ["## Start and end", of(processes.circumstances), ...processLines(processes.figures)]),
    ...(memory === undefined ? [] : ["## Memory under load", of(memory.circumstances), ...memoryLines(memory.figures)]),
    ...(images === undefined ? [] : ["## Images", of(images.circumstances), ...imageLines(images.figures)]),
  ];
  return `${sections.join("\n\n")}\n`;
}

function of({ measuredAt, node, processor, processors, load, isQuick }: Circumstances): string {
  const quick = isQuick ? " A quick run, for a first look." : "";
  const busy =
    load > processors / 2
      ? ` The machine was busy with something else when it began (a load of ${rounded(load)}): times are longer than they would be, and vary more.`
      : "";
  return `Measured on ${measuredAt} with Node ${node} on ${processors} cores of ${processor}.${quick}${busy}`;
}

function subjectLines({ what, memory, works }: SubjectFigures): readonly string[] {
  const [few, many] = [memory[0], memory.at(-1)];
  const bytesOfOne =
    few === undefined || many === undefined ? Number.NaN : (many.bytes - few.bytes) / (many.size - few.size);
  const rows = memory.map(({ size, bytes }, at) => [
    number(size),
    byteCount(bytes),
    ...works.map(({ sizes }) => spread(sizes[at]?.microseconds, time)),
  ]);
  const last = ["**grows by**", `${byteCount(bytesOfOne)} each`, ...works.map(slopeOf)];
  return [`### ${what}`, table(["how many", "memory", ...works.map((work) => work.what)], [...rows, last])];
}

/** What is done once for all of them is looked at by the one. */
function slopeOf({ isForAll, perTenfold, sizes }: WorkFigures): string {
  const most = sizes.at(-1);
  if (isForAll && most !== undefined) return `${time(most.microseconds.median / most.size)} each`;
  return `${spread(perTenfold, signedTime)} each tenfold`;
}

function lookUpLines({ sizes, ownPerTenfold, postgresPerTenfold, remembered }: LookUpFigures): readonly string[] {
  const rows = sizes.map(({ size, own, postgres }) => [number(size), spread(own, time), spread(postgres, time)]);
  const slopes = [ownPerTenfold, postgresPerTenfold].map((slope) => `${spread(slope, signedTime)} each tenfold`);
  return [
    table(
      ["keys in the table", "one that is not remembered, of our processor", "of PostgreSQL's"],
      [...rows, ["**grows by**", ...slopes]],
    ),
    table(
      ["different keys that were asked for", "memory of those that are remembered"],
      remembered.map(({ asked, bytes }) => [number(asked), byteCount(bytes)]),
    ),
  ];
}

function pauseLines(figures: readonly PauseFigures[]): readonly string[] {
  const ms = (value: number) => time(value * 1_000);
  const rows = figures.map(({ what, size, medianMs, almostAllMs, longestMs }) => [
    what,
    number(size),
    ms(medianMs),
    ms(almostAllMs),
    ms(longestMs),
  ]);
  return [table(["steps", "how many", "the middle one", "all but one in 10 000, at most", "the longest"], rows)];
}

function handshakeLines({ sizes, perTenfold }: HandshakeFigures): readonly string[] {
  const rows = sizes.map(({ size, microseconds }) => [
    number(size),
    spread(microseconds, time),
    number(Math.round(1_000_000 / microseconds.median)),
  ]);
  return [
    table(
      ["connections that are open", "one handshake, of the server's processor", "a second and core"],
      [...rows, ["**grows by**", `${spread(perTenfold, signedTime)} each tenfold`, ""]],
    ),
  ];
}

function processLines(figures: ProcessFigures): readonly string[] {
  const ms = (value: number) => time(value * 1_000);
  const rows = Object.entries(figures).map(([name, times]) => [
    name,
    spread(times.listening, ms),
    spread(times.healthy, ms),
    spread(times.processor, ms),
    spread(times.idleExit, ms),
    spread(times.busyExit, ms),
  ]);
  const head = [
    "service",
    "start → listens",
    "start → healthy",
    "processor until then",
    "SIGTERM → gone, idle",
    "a call's answer → gone, after SIGTERM",
  ];
  return [table(head, rows)];
}

function memoryLines({ seconds, calls, services }: MemoryFigures): readonly string[] {
  const listed = Object.entries(calls).map(([name, count]) => `${number(count)} ${name}`);
  const rows = Object.entries(services).flatMap(([name, { idle, samples, bytesAMinute, idleAgain }]) => {
    const [first, middle, last] = [samples[0], samples[samples.length / 2 - 1], samples.at(-1)];
    return (["collected", "resident"] as const).map((kind) => [
      kind === "collected" ? name : "",
      kind === "collected" ? "when garbage is gone" : "resident",
      ...[idle, first, middle, last, idleAgain].map((held) => byteCount(held?.[kind] ?? Number.NaN)),
      kind === "collected" ? `${byteCount(bytesAMinute, true)} a minute` : "",
    ]);
  });
  const at = (sample: number) => `after ${number(Math.round((seconds * sample) / 20))} s`;
  return [
    `${number(seconds)} s of steady calls: ${listed.join(", ")}.`,
    table(["service", "memory", "idle", at(1), at(10), at(20), "idle again", "slope of the second half"], rows),
  ];
}

function imageLines({ base, baseBytes, bytes }: ImageFigures): readonly string[] {
  const rows = Object.entries(bytes).map(([image, all]) => [image, byteCount(all), byteCount(all - baseBytes)]);
  return [table(["image", "all of it", `besides \`${base}\` (${byteCount(baseBytes)})`], rows)];
}

/** The middle, and between what the middle half lies. */
function spread(values: Spread | undefined, print: (value: number) => string): string {
  if (values === undefined) return "";
  return `${print(values.median)} (${print(values.low)} to ${print(values.high)})`;
}

function time(microseconds: number): string {
  const size = Math.abs(microseconds);
  if (size >= 1_000_000) return `${rounded(microseconds / 1_000_000)} s`;
  return size >= 1_000 ? `${rounded(microseconds / 1_000)} ms` : `${rounded(microseconds)} µs`;
}

const signedTime = (microseconds: number) => `${microseconds > 0 ? "+" : ""}${time(microseconds)}`;

function byteCount(bytes: number, isSigned = false): string {
  const size = Math.abs(bytes);
  const sign = isSigned && bytes > 0 ? "+" : "";
  if (size >= 1_000_000) return `${sign}${rounded(bytes / 1_000_000)} MB`;
  return size >= 1_000 ? `${sign}${rounded(bytes / 1_000)} kB` : `${sign}${rounded(bytes)} B`;
}

const number = (value: number) => value.toLocaleString("en", { maximumFractionDigits: 3 }).replaceAll(",", " ");
/** Two digits: what is measured so is good for no more. */
const rounded = (value: number) => number(Number(value.toPrecision(2))).replace("-", "−");
