import type { HandshakeFigures } from "./handshakes.ts";
import type { ImageFigures } from "./images.ts";
import type { LookUpFigures } from "./look-ups.ts";
import type { SubjectFigures } from "./measure-subject.ts";
import type { MemoryFigures } from "./memory.ts";
import type { PauseFigures } from "./pauses.ts";
import type { ProcessFigures } from "./process-times.ts";

/** Where and how something was measured. */
export interface Circumstances {
  readonly measuredAt: string;
  readonly node: string;
  readonly processor: string;
  readonly processors: number;
  /** How many processes waited for a processor when it began, a minute's average: whatever else the machine had to do. */
  readonly load: number;
  /** With fewer and smaller sizes, fewer rounds, or for a shorter time. */
  readonly isQuick: boolean;
}

/** Figures of one part, with where they are from. */
export interface Part<T> {
  readonly circumstances: Circumstances;
  readonly figures: T;
}

/** What a run measures, each part by itself: what is not measured again stays. */
export interface Figures {
  readonly subjects: Part<readonly SubjectFigures[]>;
  readonly lookUps: Part<LookUpFigures>;
  readonly pauses: Part<readonly PauseFigures[]>;
  readonly handshakes: Part<HandshakeFigures>;
  readonly processes: Part<ProcessFigures>;
  readonly memory: Part<MemoryFigures>;
  /** Where no container engine answers there are none. */
  readonly images: Part<ImageFigures>;
}
