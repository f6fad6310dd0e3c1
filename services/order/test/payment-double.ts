// The payment service as the order service sees it: idempotent by request_id, and as unreliable as a test wants it.
import { create } from "@bufbuild/protobuf";
import {
  CapturePaymentResponseSchema,
  CreatePaymentResponseSchema,
  type Payment,
  PaymentSchema,
  PaymentState,
} from "@zero-trust/proto/payment/v1";
import type { OutboxOptions } from "../src/outbox.ts";

/** What happens to a call, before or after the payment service did its part; throwing loses the answer. */
export type Incident = (moment: "create" | "created" | "capture" | "captured") => void | Promise<void>;

/** A stand-in for the payment service that remembers what it was asked. */
export interface PaymentDouble {
  readonly payments: OutboxOptions["payments"];
  /** Every call: method, request id, client. */
  readonly calls: string[];
  /** The payments that were captured, each once. */
  readonly charged: Set<string>;
}

/** Makes the stand-in; it declines amounts that end in 13. */
export function paymentDouble(incident: Incident = () => undefined): PaymentDouble {
  const calls: string[] = [];
  const charged = new Set<string>();
  const payment = (paymentId: string, state: PaymentState): Payment => create(PaymentSchema, { paymentId, state });
  return {
    calls,
    charged,
    payments: {
      async createPayment({ requestId = "", client = "", amount }) {
        calls.push(`create ${requestId} ${client}`);
        await incident("create");
        const declined = (amount?.minorUnits ?? 0n) % 100n === 13n;
        await incident("created");
        const state = declined ? PaymentState.DECLINED : PaymentState.AUTHORIZED;
        return create(CreatePaymentResponseSchema, { payment: payment(`pay_${requestId}`, state) });
      },
      async capturePayment({ requestId = "", paymentId = "", client = "" }) {
        calls.push(`capture ${requestId} ${client}`);
        await incident("capture");
        charged.add(paymentId);
        await incident("captured");
        return create(CapturePaymentResponseSchema, { payment: payment(paymentId, PaymentState.CAPTURED) });
      },
    },
  };
}
