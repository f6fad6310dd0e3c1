import { DER, DerError, type DerValue } from "./der.ts";

const FORM = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/**
 * A UTCTime or GeneralizedTime in the one form that RFC 5280 §4.1.2.5 allows: in GMT, to the second.
 *
 * @returns epoch milliseconds
 * @throws {DerError} when it is another form, or no such day
 */
export function derTime(value: DerValue | undefined): number {
  if (value?.tag !== DER.utcTime && value?.tag !== DER.generalizedTime) {
    throw new DerError("expected a time");
  }
  const text = Buffer.from(value.content).toString("latin1");
  // Two digits: 50 to 99 are of the last century (RFC 5280 §4.1.2.5.1).
  const century = value.tag === DER.generalizedTime ? "" : text < "50" ? "20" : "19";
  const parts = FORM.exec(century + text);
  const iso = parts === null ? "" : `${parts[1]}-${parts[2]}-${parts[3]}T${parts[4]}:${parts[5]}:${parts[6]}.000Z`;
  const time = new Date(iso);
  // Date takes February 30 for March 1 or 2.
  if (Number.isNaN(time.getTime()) || time.toISOString() !== iso) {
    throw new DerError("a time that is not in the form of RFC 5280");
  }
  return time.getTime();
}
