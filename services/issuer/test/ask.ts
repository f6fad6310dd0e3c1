import type { IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TlsMaterial } from "@zero-trust/mtls";

/** What the issuer answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** What is asked. */
export interface AskOptions {
  /** Whose certificate is shown; none when null. */
  readonly as: TlsMaterial | null;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Who asks an issuer, and how. */
export interface Asking {
  readonly storefront: TlsMaterial;
  readonly orderService: TlsMaterial;
  ask(options: AskOptions): Promise<Answer>;
}

/** One request over a connection of its own. */
export function ask(options: AskOptions & { readonly port: number; readonly ca: string }): Promise<Answer> {
  const { as, port, ca, method = "POST", path = "/oauth/token", body, headers } = options;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        servername: "issuer.production.internal",
        ca,
        ...(as === null ? {} : { cert: as.cert, key: as.key }),
        agent: false,
        method,
        path,
        headers: {
          host: "issuer.production.internal",
          ...(body === undefined
            ? {}
            : { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const parsed = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { text };
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
