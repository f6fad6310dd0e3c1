import { decodeJwt } from "jose";
import type { Answer, Asking, AskOptions } from "./ask.ts";
import { orders } from "./start-issuer.ts";

export type Form = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A form's fields as a request's body. */
export function form(fields: Form): string {
  const body = new URLSearchParams();
  for (const [name, values] of Object.entries(fields)) {
    for (const value of values === undefined ? [] : [values].flat()) body.append(name, value);
  }
  return body.toString();
}

const goodForm: Form = {
  grant_type: "client_credentials",
  client_id: "storefront",
  resource: orders,
  scope: "read:orders",
};

/** Asks for a token, as the storefront unless told otherwise. */
export function askForToken(started: Asking, changes: Form = {}, options: Partial<AskOptions> = {}): Promise<Answer> {
  return started.ask({ as: started.storefront, body: form({ ...goodForm, ...changes }), ...options });
}

/** The header of a client that has a secret. */
export function basic(secret: string, id = "partner"): { readonly headers: { readonly authorization: string } } {
  return { headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` } };
}

/** A token that was asked for, and what is in it. */
export interface GotToken {
  readonly token: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
}

/** The token of an answer; fails when there is none. */
export function tokenIn({ status, body }: Answer): GotToken {
  if (status !== 200) throw new Error(`no token but ${status} ${JSON.stringify(body)}`);
  const token = String(body["access_token"]);
  const { jti = "", iat = 0, exp = 0 } = decodeJwt(token);
  return { token, jti, iat, exp };
}

/** Asks for a token's revocation, as the storefront unless told otherwise. */
export function askToRevoke(
  started: Asking,
  token: string,
  options: Partial<AskOptions> = {},
  more: Form = {},
): Promise<Answer> {
  const body = form({ token, client_id: "storefront", ...more });
  return started.ask({ as: started.storefront, path: "/oauth/revoke", body, ...options });
}

/** What the issuer says is revoked. */
export async function denylist(started: Asking): Promise<{
  readonly tokens: readonly { readonly jti: string; readonly exp: number }[];
  readonly clients: readonly { readonly client_id: string; readonly before: number }[];
}> {
  const { body } = await started.ask({
    as: started.orderService,
    method: "GET",
    path: "/.well-known/revoked-tokens.json",
  });
  return body as unknown as Awaited<ReturnType<typeof denylist>>;
}
