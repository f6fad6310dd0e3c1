import { request } from "node:https";
import { text } from "node:stream/consumers";
import type { Deployed } from "../stack/stack.ts";
import { type Showing, shownBy } from "./showing.ts";

/** A request to one of the issuer's endpoints, by somebody who has no library of ours. */
export interface IssuerRequest {
  readonly path: "/oauth/token" | "/oauth/revoke";
  readonly as: Showing;
  /** A list is sent as so many parameters of the same name. */
  readonly form: Readonly<Record<string, string | readonly string[]>>;
  /** `client:secret`, as `client_secret_basic` has it. */
  readonly auth?: string;
}

/** What the issuer answered. */
export interface IssuerAnswer {
  readonly status: number;
  /** Empty where it was no JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Asks the issuer over HTTPS, with a certificate, over a connection of its own. */
export async function askIssuer(stack: Deployed, { path, as, form, auth }: IssuerRequest): Promise<IssuerAnswer> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) for (const each of [value].flat()) parameters.append(name, each);
  const body = parameters.toString();
  const { promise, resolve, reject } = Promise.withResolvers<IssuerAnswer>();
  const asking = request(
    `https://127.0.0.1:${stack.issuer.port}${path}`,
    {
      ...shownBy(stack, as),
      ca: stack.deployment.ca.ca,
      agent: false,
      method: "POST",
      // An attacker does not mind whom he talks to.
      checkServerIdentity: () => undefined,
      headers: { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) },
      ...(auth === undefined ? {} : { auth }),
    },
    (response) => {
      const answer = async () => {
        const said = await text(response);
        return { status: response.statusCode ?? 0, body: said === "" ? {} : (JSON.parse(said) as object) };
      };
      answer().then(resolve as (answer: object) => void, reject);
    },
  );
  asking.once("error", reject).end(body);
  return await promise;
}

/** What came of a token request: with the error that is wanted, a refusal; without one, a token. */
export function grantOf({ status, body }: IssuerAnswer, wanted?: string): { readonly status: string } {
  const { error, access_token: token } = body;
  if (typeof token === "string") return { status: "OK" };
  const isRefusal = error === wanted && status === (error === "invalid_client" ? 401 : 400);
  return { status: isRefusal ? "refused by the issuer" : `${status} ${JSON.stringify(body)}` };
}
