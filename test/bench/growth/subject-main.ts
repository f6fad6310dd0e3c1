// So many of one thing in a process of its own, which says what it takes them to do something once.
import { answerParent, optionsOfParent } from "../../attacks/asked-by-parent.ts";
import { collectedBytes } from "../../scaling/collected.ts";
import type { SubjectOptions, SubjectQuestion, SubjectSaid } from "./measure-subject.ts";
import type { Grown } from "./subject.ts";
import { subjects } from "./subjects/index.ts";

/** Rounds before the first one that counts, in which code is compiled. */
const WARM_UP = 5;

const { name, size } = await optionsOfParent<SubjectOptions>();
const subject = subjects[name];
const grown: Grown = await subject.grow(size);
const { works } = subject;
for (let round = 0; round < WARM_UP; round += 1) {
  for (const work of Object.keys(works)) await microsecondsOf(work);
}
const before = await restoredBytes();

answerParent(async (question): Promise<SubjectSaid> => {
  const { work } = question as SubjectQuestion;
  if (work !== undefined) return { microseconds: await microsecondsOf(work) };
  return { bytes: grown.bytes, bytesSince: (await restoredBytes()) - before };
});

async function restoredBytes(): Promise<number> {
  await grown.restore?.();
  return collectedBytes();
}

/** What doing it once takes of this process's time, and of that of its collector. */
async function microsecondsOf(work: string): Promise<number> {
  const once = grown.works[work];
  const times = works[work]?.times ?? 0;
  if (once === undefined) throw new Error(`There is no ${work}.`);
  await grown.restore?.();
  const started = process.cpuUsage();
  for (let time = 0; time < times; time += 1) await once();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / times;
}
