import type { DescService } from "@bufbuild/protobuf";
import { Credential } from "@zero-trust/auth";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { audiences } from "../names.ts";

/** A service as far as its policy goes. */
export interface PolicedService {
  /** Its folder, in `services/` and in a deployment. */
  readonly name: "order" | "payment";
  readonly descriptor: DescService;
  /** What tokens and keys for it name. */
  readonly audience: string;
  /** What it gives `protect()` verifiers for, and mutual TLS. */
  readonly verified: ReadonlySet<Credential>;
}

/** Every service that has a policy. */
export const services: readonly PolicedService[] = [
  {
    name: "order",
    descriptor: OrderService,
    audience: audiences.order,
    verified: new Set([Credential.MTLS, Credential.API_KEY, Credential.BEARER]),
  },
  {
    name: "payment",
    descriptor: PaymentService,
    audience: audiences.payment,
    verified: new Set([Credential.MTLS, Credential.API_KEY, Credential.BEARER, Credential.HMAC]),
  },
];
