import { cpus } from "node:os";
import type { Circumstances, Figures } from "./figures.ts";
import { measureHandshakes } from "./handshakes.ts";
import { noEngine, weighImages } from "./images.ts";
import { measureSubject } from "./measure-subject.ts";
import { measureMemory } from "./memory.ts";
import { measurePauses } from "./pauses.ts";
import { measureProcessTimes } from "./process-times.ts";
import { type SubjectName, subjects } from "./subjects/index.ts";

/** The parts of a run, in their order. */
export const parts = ["subjects", "pauses", "handshakes", "processes", "images", "memory"] as const;
export type PartName = (typeof parts)[number];

/** How thoroughly things are measured. */
export interface MeasureOptions {
  readonly parts: readonly PartName[];
  readonly isQuick: boolean;
  readonly say: (sentence: string) => void;
}

/** Measures some parts, one after the other; what cannot be measured here is said, and left out. */
export async function measure({ parts: wanted, isQuick, say }: MeasureOptions): Promise<Partial<Figures>> {
  const circumstances: Circumstances = {
    measuredAt: new Date().toISOString().slice(0, 10),
    node: process.version,
    processor: cpus()[0]?.model ?? "an unknown processor",
    processors: cpus().length,
    isQuick,
  };
  const measured: { -readonly [Name in PartName]?: Figures[Name] } = {};
  if (wanted.includes("subjects")) {
    const figures = [];
    for (const name of Object.keys(subjects) as SubjectName[]) {
      say(`${subjects[name].what} …`);
      figures.push(await measureSubject(name, { isQuick, rounds: isQuick ? 5 : 20 }));
    }
    measured.subjects = { circumstances, figures };
  }
  if (wanted.includes("pauses")) {
    say("pauses …");
    measured.pauses = { circumstances, figures: await measurePauses({ isQuick }) };
  }
  if (wanted.includes("handshakes")) {
    say("handshakes …");
    measured.handshakes = { circumstances, figures: await measureHandshakes({ isQuick, rounds: isQuick ? 3 : 10 }) };
  }
  if (wanted.includes("processes")) {
    say("start and end of the services …");
    measured.processes = { circumstances, figures: await measureProcessTimes(isQuick ? 2 : 10) };
  }
  if (wanted.includes("images")) {
    const why = await noEngine();
    if (why === undefined) {
      say("images …");
      measured.images = { circumstances: { ...circumstances, isQuick: false }, figures: await weighImages() };
    } else say(`IMAGES ARE NOT WEIGHED, since no container engine answers here: ${why}`);
  }
  if (wanted.includes("memory")) {
    const seconds = isQuick ? 30 : 600;
    say(`memory, for ${seconds} s …`);
    measured.memory = { circumstances, figures: await measureMemory(seconds) };
  }
  return measured;
}
