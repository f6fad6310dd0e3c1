import { z } from "zod";

const message = "must be a time in UTC, such as 2026-01-31T12:00:00Z";

/** A time in a file: ISO 8601, in UTC; milliseconds since 1970 when it is read. */
export const utcTime: z.ZodType<number> = z.iso.datetime(message).transform((text) => Date.parse(text));
