import { type Agent, type RequestOptions, request } from "node:https";

/** An HTTPS request whose answer is JSON. */
export interface JsonRequest {
  readonly url: URL;
  /** Decides whom we talk to: an agent of `@zero-trust/mtls`, which checks the SPIFFE ID of the server. */
  readonly agent: Agent;
  readonly timeoutMs: number;
  /** Gives up before that. */
  readonly signal?: AbortSignal;
  /** A larger answer is not read. */
  readonly maxBytes: number;
  readonly form?: URLSearchParams;
  readonly authorization?: string;
  /** Which of our certificates the agent is to show; the current one unless given. */
  readonly certificateThumbprint?: string;
}

/** The answer, whatever its status. */
export interface JsonAnswer {
  readonly status: number;
  readonly json: unknown;
}

/**
 * Sends one request and reads one JSON answer: no redirect is followed, no encoding but plain is accepted, size and time
 * are bounded.
 *
 * @throws Error when there is no such answer; the message names what went wrong and never repeats the body
 */
export function requestJson({
  url,
  agent,
  timeoutMs,
  signal: stopped,
  maxBytes,
  form,
  authorization,
  certificateThumbprint = "",
}: JsonRequest): Promise<JsonAnswer> {
  const body = form?.toString();
  const late = AbortSignal.timeout(timeoutMs);
  const signal = stopped === undefined ? late : AbortSignal.any([late, stopped]);
  const options: RequestOptions & { readonly certificateThumbprint: string } = {
    agent,
    certificateThumbprint,
    method: body === undefined ? "GET" : "POST",
    signal,
    headers: {
      accept: "application/json",
      "accept-encoding": "identity",
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined
        ? {}
        : { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) }),
    },
  };
  return new Promise((resolve, reject) => {
    const req = request(url, options, (res) => {
      const refuse = (why: string): void => {
        reject(new Error(why));
        req.destroy();
      };
      if ((res.headers["content-encoding"] ?? "identity") !== "identity") refuse("the answer is compressed");
      const chunks: Buffer[] = [];
      let size = 0;
      res.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) refuse(`the answer is larger than ${maxBytes} bytes`);
        else chunks.push(chunk);
      });
      res.on("error", reject);
      res.on("end", () => {
        const json = parseJson(Buffer.concat(chunks));
        // Without the parser's own words, which would quote the body.
        if (json === undefined) reject(new Error(`status ${res.statusCode} without JSON`));
        else resolve({ status: res.statusCode ?? 0, json });
      });
    });
    // Not left to the request, which says nothing as long as its agent has no connection for it.
    signal.addEventListener("abort", () => reject(new Error(`no answer within ${timeoutMs} ms`)), { once: true });
    req.on("error", reject);
    req.end(body);
  });
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined; // which no JSON text means
  }
}
