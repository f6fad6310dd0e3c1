import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { LedgerAccount, type PaymentSchema, PaymentState, type TransactionSchema } from "@zero-trust/proto/payment/v1";
import type { WrittenLine } from "./ledger-store.ts";
import type { Payment } from "./store.ts";

/** A payment as it goes over the wire: who created it stays inside. */
export function paymentMessage(payment: Payment): MessageInitShape<typeof PaymentSchema> {
  return {
    paymentId: payment.paymentId,
    client: payment.client,
    reference: payment.reference,
    amount: payment.amount,
    state: PaymentState[payment.state],
    createTime: timestampFromMs(payment.createdAtMs),
  };
}

/** A ledger line as it goes over the wire. */
export function transactionMessage(line: WrittenLine): MessageInitShape<typeof TransactionSchema> {
  return {
    transactionId: line.transactionId,
    paymentId: line.paymentId,
    client: line.client,
    account: LedgerAccount[line.account],
    currencyCode: line.currencyCode,
    minorUnits: line.minorUnits,
    createTime: timestampFromMs(line.createdAtMs),
  };
}
