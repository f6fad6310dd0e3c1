import { cpus, loadavg } from "node:os";
import type { Circumstances, Figures } from "./figures.ts";
import { measureHandshakes } from "./handshakes.ts";
import { noEngine, weighImages } from "./images.ts";
import { measureLookUps } from "./look-ups.ts";
import { measureSubject } from "./measure-subject.ts";
import { measureMemory } from "./memory.ts";
import { measurePauses } from "./pauses.ts";
import { measureProcessTimes } from "./process-times.ts";
import { type SubjectName, subjects } from "./subjects/index.ts";

export type PartName = keyof Figures;

/** How thoroughly things are measured, and who is told what is being measured. */
interface How {
  readonly isQuick: boolean;
  /** How long the services are called whose memory is looked at. */
  readonly loadSeconds: number;
  readonly say: (sentence: string) => void;
}

/** The parts of a run, in their order; one that cannot be measured here says so, and gives nothing. */
const measurers: { readonly [Name in PartName]: (how: How) => Promise<Figures[Name]["figures"] | undefined> } = {
  async subjects({ isQuick, say }) {
    const figures = [];
    for (const name of Object.keys(subjects) as SubjectName[]) {
      say(`${subjects[name].what} …`);
      figures.push(await measureSubject(name, { isQuick, rounds: isQuick ? 5 : 12 }));
    }
    return figures;
  },
  lookUps: ({ isQuick }) => measureLookUps({ isQuick, rounds: isQuick ? 5 : 12 }),
  pauses: measurePauses,
  handshakes: ({ isQuick }) => measureHandshakes({ isQuick, rounds: isQuick ? 3 : 6 }),
  processes: ({ isQuick }) => measureProcessTimes(isQuick ? 2 : 6),
  async images({ say }) {
    const why = await noEngine();
    if (why === undefined) return await weighImages();
    say(`IMAGES ARE NOT WEIGHED, since no container engine answers here: ${why}`);
    return undefined;
  },
  memory: ({ loadSeconds }) => measureMemory(loadSeconds),
};

export const parts: readonly PartName[] = Object.keys(measurers) as PartName[];

/** Measures some parts, one after the other. */
export async function measure(wanted: readonly PartName[], how: How): Promise<Partial<Figures>> {
  const measured = [];
  for (const part of wanted) {
    how.say(`${part} …`);
    const circumstances = circumstancesNow(how.isQuick);
    const figures = await measurers[part](how);
    if (figures !== undefined) measured.push([part, { circumstances, figures }] as const);
  }
  return Object.fromEntries(measured) as Partial<Figures>;
}

function circumstancesNow(isQuick: boolean): Circumstances {
  return {
    measuredAt: new Date().toISOString().slice(0, 10),
    node: process.version,
    processor: cpus()[0]?.model ?? "an unknown processor",
    processors: cpus().length,
    load: loadavg()[0] ?? Number.NaN,
    isQuick,
  };
}
