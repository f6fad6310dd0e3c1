import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type CapturePaymentRequest,
  type CapturePaymentResponse,
  CapturePaymentResponseSchema,
  type CreatePaymentRequest,
  type CreatePaymentResponse,
  CreatePaymentResponseSchema,
  PaymentService,
} from "@zero-trust/proto/payment/v1";
import { requestFingerprint } from "@zero-trust/rpc";
import type { Acquirer } from "./acquirer.ts";
import { paymentMessage } from "./payment-message.ts";
import type { Claim, PaymentStore } from "./store.ts";

/**
 * Takes payments, so that a process killed at any point charges once.
 *
 * Each step is written down before the acquirer is asked and again when it has answered; in between, the payment's id
 * is the acquirer's idempotency key. Whoever repeats the request goes on from where it stopped.
 */
export class Payments {
  readonly #store: PaymentStore;
  readonly #acquirer: Acquirer;

  constructor(options: { readonly store: PaymentStore; readonly acquirer: Acquirer }) {
    this.#store = options.store;
    this.#acquirer = options.acquirer;
  }

  /**
   * Authorizes a payment for the client that the request names.
   *
   * @throws PaymentError REQUEST_REUSED
   * @throws AcquirerUnavailableError when the same request has to be made again.
   */
  async create(caller: string, request: CreatePaymentRequest): Promise<CreatePaymentResponse> {
    const { requestId, client, reference, amount } = request;
    if (amount === undefined) throw new TypeError("A payment needs an amount.");
    const { createPayment } = PaymentService.method;
    const claim: Claim = { caller, requestId, fingerprint: requestFingerprint(createPayment, request) };
    const { payment, response } = await this.#store.create(claim, { client, reference, amount });
    if (response !== undefined) return fromBinary(CreatePaymentResponseSchema, response);

    const { paymentId } = payment;
    const answer = await this.#acquirer.authorize(paymentId, payment.amount);
    const to = answer === "authorized" ? "AUTHORIZED" : "DECLINED";
    const settled = await this.#store.settle(claim, { paymentId, from: "PENDING", to }, (now) =>
      encode(CreatePaymentResponseSchema, { payment: paymentMessage(now) }),
    );
    return fromBinary(CreatePaymentResponseSchema, settled);
  }

  /**
   * Charges an authorized payment and writes it to the ledger.
   *
   * @throws PaymentError REQUEST_REUSED, NOT_FOUND, NOT_AUTHORIZED
   * @throws AcquirerUnavailableError when the same request has to be made again.
   */
  async capture(caller: string, request: CapturePaymentRequest): Promise<CapturePaymentResponse> {
    const { requestId, paymentId, client } = request;
    const { capturePayment } = PaymentService.method;
    const claim: Claim = { caller, requestId, fingerprint: requestFingerprint(capturePayment, request) };
    const { response } = await this.#store.claimCapture(claim, { paymentId, client });
    if (response !== undefined) return fromBinary(CapturePaymentResponseSchema, response);

    const answer = await this.#acquirer.capture(paymentId);
    const to = answer === "captured" ? "CAPTURED" : "DECLINED";
    const settled = await this.#store.settle(claim, { paymentId, from: "AUTHORIZED", to }, (now) =>
      encode(CapturePaymentResponseSchema, { payment: paymentMessage(now) }),
    );
    return fromBinary(CapturePaymentResponseSchema, settled);
  }
}

function encode<D extends DescMessage>(schema: D, message: MessageInitShape<D>): Uint8Array {
  return toBinary(schema, create(schema, message));
}
