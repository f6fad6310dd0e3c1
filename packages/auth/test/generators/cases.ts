import { apiKey, bearer, hmac } from "../../src/client.ts";
import { Credential } from "../../src/index.ts";
import type { AttemptFacts, Presenter } from "../../src/presenter.ts";
import { idOf } from "../ping-server.ts";
import type { TestCredentials } from "./credentials.ts";

/** A caller, what it shows, and what comes of it. */
export interface Case {
  readonly who: string;
  /** The SPIFFE ID of its certificate; a workload without grants unless given. */
  readonly spiffeId?: string;
  readonly shows?: (credentials: TestCredentials) => readonly Presenter[];
  /** `OK`, or code and reason. */
  readonly expected: string;
  /** Who the handler is told that it is. */
  readonly client?: string;
}

/** The cases of one credential. */
export interface Method {
  readonly name: string;
  readonly credential: Credential;
  readonly cases: readonly Case[];
}

const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const missing = "UNAUTHENTICATED CREDENTIAL_MISSING";
const withoutScope = "PERMISSION_DENIED SCOPE_MISSING";

/** A presenter that shows something else than it should, and does not mend it. */
export function showing(presenter: Presenter, present: Presenter["present"]): Presenter {
  return { credential: presenter.credential, metadataKeys: presenter.metadataKeys, present };
}

function spoilt(
  { id: keyId, secret }: { readonly id: string; readonly secret: string },
  spoil: (values: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
  { now = Date.now, attempt = (real: AttemptFacts) => real } = {},
): Presenter {
  const signer = hmac({ keyId, secret, now });
  return showing(signer, async (real) => spoil(await signer.present(attempt(real))));
}
const asIs = (values: Readonly<Record<string, string>>) => values;

function withToken(credentials: TestCredentials, claims?: Readonly<Record<string, unknown>>, thumbprint?: string) {
  const token = ({ certificateThumbprint = "" } = {}) => credentials.token(thumbprint ?? certificateThumbprint, claims);
  return [bearer({ tokens: { token } })];
}

const otherNonce = "00112233445566778899aabbccddeeff";

/** Every credential, with callers who are let in and callers who are not. */
export const methods: readonly Method[] = [
  {
    name: "mutual TLS",
    credential: Credential.MTLS,
    cases: [
      { who: "a workload with a grant", spiffeId: idOf("order-service"), expected: "OK", client: "order-service" },
      {
        who: "a workload whose grant lacks the scope",
        spiffeId: idOf("idle"),
        expected: "PERMISSION_DENIED PEER_NOT_GRANTED",
      },
      { who: "a workload without a grant", expected: "PERMISSION_DENIED PEER_NOT_GRANTED" },
      {
        who: "a workload of another trust domain",
        spiffeId: "spiffe://staging.internal/order-service",
        expected: "UNAUTHENTICATED PEER_INVALID",
      },
    ],
  },
  {
    name: "an API key",
    credential: Credential.API_KEY,
    cases: [
      {
        who: "a good key",
        shows: ({ apiKeys }) => [apiKey({ key: apiKeys.good })],
        expected: "OK",
        client: "reporting",
      },
      { who: "no key", expected: missing },
      { who: "an unknown key", shows: ({ apiKeys }) => [apiKey({ key: apiKeys.unknown })], expected: invalid },
      {
        who: "a key for another service",
        shows: ({ apiKeys }) => [apiKey({ key: apiKeys.otherService })],
        expected: invalid,
      },
      {
        who: "a key without the scope",
        shows: ({ apiKeys }) => [apiKey({ key: apiKeys.withoutScope })],
        expected: withoutScope,
      },
    ],
  },
  {
    name: "a bearer token",
    credential: Credential.BEARER,
    cases: [
      { who: "a good token", shows: (credentials) => withToken(credentials), expected: "OK", client: "storefront" },
      { who: "no token", expected: missing },
      {
        who: "a token of another certificate",
        shows: (credentials) => withToken(credentials, {}, "A".repeat(43)),
        expected: invalid,
      },
      {
        who: "a token for another service",
        shows: (credentials) => withToken(credentials, { aud: "https://order.production.internal" }),
        expected: invalid,
      },
      {
        who: "a token that has expired",
        shows: (credentials) => {
          const iat = Math.floor(Date.now() / 1000) - 310;
          return withToken(credentials, { iat, exp: iat + 300 });
        },
        expected: "UNAUTHENTICATED CREDENTIAL_EXPIRED",
      },
      {
        who: "a token without the scope",
        shows: (credentials) => withToken(credentials, { scope: "read:orders" }),
        expected: withoutScope,
      },
    ],
  },
  {
    name: "a signature",
    credential: Credential.HMAC,
    cases: [
      {
        who: "a good signature",
        shows: ({ signingKeys: { good } }) => [hmac({ keyId: good.id, secret: good.secret })],
        expected: "OK",
        client: "partner",
      },
      { who: "no signature", expected: missing },
      {
        who: "a signature by an unknown key",
        shows: ({ signingKeys }) => [spoilt(signingKeys.unknown, asIs)],
        expected: invalid,
      },
      {
        who: "a signature with one digit changed",
        shows: ({ signingKeys }) => [
          spoilt(signingKeys.good, (values) => ({
            ...values,
            "x-signature": (values["x-signature"] ?? "").replace(/.$/, (last) => (last === "0" ? "1" : "0")),
          })),
        ],
        expected: invalid,
      },
      {
        who: "a signature for another method",
        shows: ({ signingKeys }) => [
          spoilt(signingKeys.good, asIs, { attempt: (real) => ({ ...real, path: `${real.path}Again` }) }),
        ],
        expected: invalid,
      },
      {
        who: "a signature for another message",
        shows: ({ signingKeys }) => [
          spoilt(signingKeys.good, asIs, { attempt: (real) => ({ ...real, message: async () => Buffer.of(1) }) }),
        ],
        expected: invalid,
      },
      {
        who: "a signature of six minutes ago",
        shows: ({ signingKeys }) => [spoilt(signingKeys.good, asIs, { now: () => Date.now() - 360_000 })],
        expected: "UNAUTHENTICATED CREDENTIAL_EXPIRED",
      },
      {
        who: "a nonce that was not signed",
        shows: ({ signingKeys }) => [spoilt(signingKeys.good, (values) => ({ ...values, "x-nonce": otherNonce }))],
        expected: invalid,
      },
      {
        who: "a signature by a key without the scope",
        shows: ({ signingKeys }) => [spoilt(signingKeys.withoutScope, asIs)],
        expected: withoutScope,
      },
    ],
  },
];
