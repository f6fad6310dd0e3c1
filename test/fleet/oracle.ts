import type { Books } from "../kills/books.ts";
import { complaintsOf } from "../kills/oracle.ts";
import type { AcknowledgedPayment, LoadFigures } from "./load.ts";

/** Compares what callers were told with what is written down, when nothing is left to be done: a sentence for each claim that is not true. */
export function complaintsOfLoad({ history, payments }: LoadFigures, books: Books): readonly string[] {
  const direct = new Set(books.payments.filter(isDirect).map(({ paymentId }) => paymentId));
  return [
    ...complaintsOf(history, booksWithout(books, direct)),
    ...directPayments(payments, books).map((breach) => `a payment that was acknowledged is there, once: ${breach}`),
  ];
}

/** Made by a caller itself, and not for an order. */
const isDirect = ({ reference }: { readonly reference: string }) => reference.startsWith("load-");

/** What order did: what it is held to is said of orders. */
function booksWithout(books: Books, paymentIds: ReadonlySet<string>): Books {
  return {
    ...books,
    payments: books.payments.filter((payment) => !isDirect(payment)),
    ledger: books.ledger.filter(({ paymentId }) => !paymentIds.has(paymentId)),
    authorizations: books.authorizations.filter(({ key }) => !paymentIds.has(key)),
    charges: books.charges.filter(({ key }) => !paymentIds.has(key)),
  };
}

function directPayments(acknowledged: readonly AcknowledgedPayment[], books: Books): readonly string[] {
  const byReference = Map.groupBy(books.payments, ({ reference }) => reference);
  const charges = Map.groupBy(books.charges, ({ key }) => key);
  const lines = Map.groupBy(books.ledger, ({ paymentId }) => paymentId);
  const known = new Set(acknowledged.map(({ reference }) => reference));
  const unknown = books.payments.filter((payment) => isDirect(payment) && !known.has(payment.reference));
  return [
    ...unknown.map(({ paymentId }) => `${paymentId} was never acknowledged`),
    ...acknowledged.flatMap(({ paymentId, reference, amount, captured }) => {
      const [payment, ...more] = byReference.get(reference) ?? [];
      const state = captured ? "CAPTURED" : "AUTHORIZED";
      const charged = (charges.get(paymentId) ?? []).map((charge) => charge.amount);
      const written = (lines.get(paymentId) ?? []).reduce((sum, { minorUnits }) => sum + minorUnits, 0n);
      return [
        ...(payment?.paymentId === paymentId && payment.amount === amount ? [] : [`${paymentId} is gone`]),
        ...(payment?.state === state ? [] : [`${paymentId} is ${payment?.state}, and should be ${state}`]),
        ...(more.length === 0 ? [] : [`${reference} has ${more.length + 1} payments`]),
        ...(charged.join() === (captured ? amount : "") ? [] : [`${paymentId} was charged ${charged.join(" and ")}`]),
        ...(written === 0n ? [] : [`the ledger is out by ${written} for ${paymentId}`]),
      ];
    }),
  ];
}
