import { expect, test } from "vitest";
import { type Presented, presenting } from "./call-credentials.ts";
import { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { AttemptFacts, Presenter } from "./presenter.ts";

const attempt: AttemptFacts = { path: "/a.B/C", message: () => new Uint8Array() };

test("asks a presenter when the one before it has answered, so that what is signed is not old by then", async () => {
  const token = Promise.withResolvers<{ authorization: string }>();
  const asked: string[] = [];
  const presenters: readonly Presenter[] = [
    { credential: Credential.BEARER, metadataKeys: ["authorization"], present: () => token.promise },
    {
      credential: Credential.HMAC,
      metadataKeys: ["x-nonce"],
      present() {
        asked.push("signature");
        return { "x-nonce": "fresh" };
      },
    },
  ];
  const shown: Presented[] = [];
  const credentials = presenting(presenters, attempt, (presented) => void shown.push(presented));
  const metadata = credentials.generateMetadata({ method_name: "C", service_url: "https://a/a.B" });
  await Promise.resolve();
  expect(asked).toEqual([]);
  token.resolve({ authorization: "Bearer a" });
  expect((await metadata).getMap()).toEqual({ authorization: "Bearer a", "x-nonce": "fresh" });
  expect(shown).toEqual([[{ authorization: "Bearer a" }, { "x-nonce": "fresh" }]]);
});
