import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Metadata, status } from "@grpc/grpc-js";
import { isDatabaseUnavailable } from "@zero-trust/database";
import {
  Difference,
  type PaymentService,
  type ReconcileTransactionsRequest,
  type ReconcileTransactionsResponseSchema,
} from "@zero-trust/proto/payment/v1";
import { decodePageToken, encodePageToken, type Handlers, RpcError } from "@zero-trust/rpc";
import { AcquirerUnavailableError } from "./acquirer.ts";
import type { LedgerStore } from "./ledger-store.ts";
import { PaymentError, type PaymentFailure } from "./payment-error.ts";
import { paymentMessage, transactionMessage } from "./payment-message.ts";
import type { Payments } from "./payments.ts";
import type { PaymentStore } from "./store.ts";

/** What the handlers work on. */
export interface PaymentHandlerOptions {
  readonly payments: Payments;
  readonly store: PaymentStore;
  readonly ledger: LedgerStore;
  /** Who makes the call that this metadata came with. */
  readonly callerOf: (metadata: Metadata) => string;
  /** Is told why, when a call is answered that the database cannot be used. */
  readonly onUnavailable?: (error: unknown) => void;
}

/** The page size of a request that names none. */
const defaultPageSize = 50;

const ledgerList = "payment.v1.PaymentService/ListTransactions";

/** The methods of payment.v1.PaymentService. */
export function paymentHandlers(options: PaymentHandlerOptions): Handlers<typeof PaymentService> {
  const { payments, store, ledger, callerOf, onUnavailable } = options;

  async function answer<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw rpcError(error, onUnavailable);
    }
  }
  return {
    createPayment: (request, { metadata }) => answer(payments.create(callerOf(metadata), request)),

    capturePayment: (request, { metadata }) => answer(payments.capture(callerOf(metadata), request)),

    async getPayment({ paymentId, client }, { metadata }) {
      const caller = callerOf(metadata);
      const payment = await answer(store.find({ paymentId, caller, client: client === "" ? caller : client }));
      if (payment === undefined) throw new RpcError(...answers.NOT_FOUND);
      return { payment: paymentMessage(payment) };
    },

    async listTransactions({ pageSize, pageToken }) {
      const size = pageSize === 0 ? defaultPageSize : pageSize;
      const after = decodePageToken(pageToken, ledgerList);
      // One more than asked for tells whether there is another page.
      const lines = await answer(ledger.linesAfter({ after, limit: size + 1 }));
      const page = lines.slice(0, size);
      const last = page.at(-1);
      return {
        transactions: page.map(transactionMessage),
        nextPageToken:
          lines.length > size && last !== undefined
            ? encodePageToken({ list: ledgerList, after: last.transactionId })
            : "",
      };
    },

    async *reconcileTransactions(requests) {
      for await (const request of requests) {
        const difference = await answer(compare(ledger, request));
        if (difference !== undefined) yield difference;
      }
    },
  };
}

async function compare(
  ledger: LedgerStore,
  theirs: ReconcileTransactionsRequest,
): Promise<MessageInitShape<typeof ReconcileTransactionsResponseSchema> | undefined> {
  const { transactionId } = theirs;
  const ours = await ledger.line(transactionId);
  if (ours === undefined) return { transactionId, difference: Difference.UNKNOWN_LINE };
  if (ours.currencyCode === theirs.currencyCode && ours.minorUnits === theirs.minorUnits) return undefined;
  return { transactionId, difference: Difference.AMOUNT, transaction: transactionMessage(ours) };
}

// REQUEST_REUSED: it is the earlier request that makes this one wrong, and no retry of it can succeed, which is what
// FAILED_PRECONDITION says. ALREADY_EXISTS would be taken for success by clients that retry a creation.
const answers: Readonly<Record<PaymentFailure, readonly [status, string]>> = {
  NOT_FOUND: [status.NOT_FOUND, "There is no such payment."],
  REQUEST_REUSED: [status.FAILED_PRECONDITION, "This request_id was used for another request."],
  NOT_AUTHORIZED: [status.FAILED_PRECONDITION, "The payment is not in the state AUTHORIZED."],
  PAGE_UNKNOWN: [status.INVALID_ARGUMENT, "The page token is not one that this list gave out."],
};

function rpcError(error: unknown, onUnavailable: PaymentHandlerOptions["onUnavailable"]): unknown {
  if (error instanceof PaymentError) return new RpcError(...answers[error.failure]);
  if (error instanceof AcquirerUnavailableError)
    return new RpcError(status.UNAVAILABLE, "The acquirer does not answer: send the same request again.");
  if (isDatabaseUnavailable(error)) {
    onUnavailable?.(error);
    return new RpcError(status.UNAVAILABLE, "The database cannot be used now: send the same request again.");
  }
  return error;
}
