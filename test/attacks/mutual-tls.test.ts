import { PaymentService } from "@zero-trust/proto/payment/v1";
import { payingCall } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { scenariosOn } from "./scenario.ts";

const { createPayment } = PaymentService.method;
const scenario = scenariosOn();

scenario("M2", "a caller without a certificate gets no connection, whatever else it has", async (trial) => {
  const { as: _, ...stolen } = await payingCall(trial.stack);
  await trial.denied({
    what: "no certificate",
    expected: "T",
    by: "payment",
    attack: () => trial.call(createPayment, stolen),
    control: () => trial.call(createPayment, { as: "order-service", ...stolen }),
  });
});

scenario(
  "M8",
  "a certificate without grants lets nobody in with stolen credentials, and spends no nonce",
  async (trial) => {
    const right = await payingCall(trial.stack);
    await trial.denied({
      what: "another workload's credentials, with a certificate without grants",
      expected: "PERMISSION_DENIED PEER_NOT_GRANTED",
      by: "payment",
      attack: () => trial.call(createPayment, { ...right, as: "stranger" }),
      // Its nonce is good: it has not been spent.
      control: () => trial.call(createPayment, right),
      record: { peer: "spiffe://production.internal/stranger", credentials: [] },
    });
  },
);

scenario("M9", "the same path of another trust domain is nobody", async (trial) => {
  const right = await payingCall(trial.stack);
  const ca = await deploymentCa(trial.stack);
  const foreign = await ca.issue({ spiffeId: "spiffe://other.internal/order-service" });
  await trial.denied({
    what: "spiffe://other.internal/order-service, of our own CA",
    expected: "UNAUTHENTICATED PEER_INVALID",
    by: "payment",
    attack: () => trial.call(createPayment, { ...right, as: foreign }),
    control: () => trial.call(createPayment, right),
  });
});
