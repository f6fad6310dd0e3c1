/** A client that knows nothing but docs/wire.md: grpc-js for the calls, Node for the rest. try-by-hand.ts makes calls with it. */
import { createHmac, randomBytes, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { createSecureContext, type PeerCertificate } from "node:tls";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";

const TIMEOUT_MS = 20_000;

/** Metadata of a call, or headers. */
export type Entries = Readonly<Record<string, string>>;

export function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`The variable ${name} is missing: docs/wire.md says what it is.`);
  return value;
}

// Messages. Of their wire format these calls need text, numbers, and messages within messages.

export function field(number: number, value: string | number | Buffer): Buffer {
  if (typeof value === "number") return Buffer.concat([varint(number << 3), varint(value)]);
  const content = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
}

function varint(number: number): Buffer {
  const bytes: number[] = [];
  let rest = number;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** A message that came: the values of each field by its number, which are numbers, or bytes that may be text or a message. */
export class Fields {
  readonly #values = new Map<number, (bigint | Buffer)[]>();

  constructor(bytes: Buffer) {
    let at = 0;
    const readVarint = (): bigint => {
      let number = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes.readUInt8(at++);
        number |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return number;
      }
    };
    const read = (length: number): Buffer => {
      at += length;
      return bytes.subarray(at - length, at);
    };
    while (at < bytes.length) {
      const tag = Number(readVarint());
      const kind = tag & 7;
      const value = kind === 0 ? readVarint() : read(kind === 2 ? Number(readVarint()) : kind === 1 ? 8 : 4);
      this.#values.set(tag >>> 3, [...this.#all(tag >>> 3), value]);
    }
  }

  number(field: number): bigint {
    const value = this.#all(field).at(-1);
    return typeof value === "bigint" ? value : 0n;
  }
  text(field: number): string {
    return String(this.#all(field).at(-1) ?? "");
  }
  message(field: number): Fields {
    return this.messages(field).at(-1) ?? new Fields(Buffer.alloc(0));
  }
  messages(field: number): readonly Fields[] {
    return this.#all(field).flatMap((value) => (value instanceof Buffer ? [new Fields(value)] : []));
  }
  #all(field: number): readonly (bigint | Buffer)[] {
    return this.#values.get(field) ?? [];
  }
}

// Mutual TLS.

function tlsOf(workload: string) {
  const file = (name: string) => readFileSync(`${variable("PKI")}/${workload}/${name}`);
  return { ca: file("ca.crt"), cert: file("tls.crt"), key: file("tls.key"), minVersion: "TLSv1.3" } as const;
}

/** Takes the place of Node's look at the host name: the server has to be one workload, and not another one of our CA. */
function onlyBy(spiffeId: string) {
  return (_host: string, { raw }: PeerCertificate): Error | undefined => {
    const names = new X509Certificate(raw).subjectAltName ?? "";
    const uris = names.split(", ").filter((name) => name.startsWith("URI:"));
    // Node quotes a name that has a comma in it, which none of ours has.
    if (!names.includes('"') && uris.length === 1 && uris[0] === `URI:${spiffeId}`) return undefined;
    return new Error(`The server is not ${spiffeId}.`);
  };
}

/** A channel to a service, as a workload. */
export function connect(
  service: "order" | "payment",
  workload: string,
  address: string = variable(service.toUpperCase()),
): Client {
  const checkServerIdentity = onlyBy(`spiffe://production.internal/${service}-service`);
  const tls = credentials.createFromSecureContext(createSecureContext(tlsOf(workload)), { checkServerIdentity });
  return new Client(address, tls, {
    // Without a name, TLS to an IP address is an error on newer versions of Node.
    "grpc.ssl_target_name_override": `${service}-service.production.internal`,
    // Another channel's connection may be another caller's.
    "grpc.use_local_subchannel_pool": 1,
    // A proxy of the environment would see whom we call, and the DNS could set retries, which repeat a nonce.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
  });
}

const asIs = (bytes: Buffer): Buffer => bytes;

function metadataOf(entries: Entries): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
}

export function call(
  client: Client,
  path: string,
  message: Buffer = Buffer.alloc(0),
  entries: Entries = {},
): Promise<Fields> {
  const { promise, resolve, reject } = Promise.withResolvers<Fields>();
  const options = { deadline: Date.now() + TIMEOUT_MS };
  client.makeUnaryRequest(path, asIs, asIs, message, metadataOf(entries), options, (error, answer) => {
    if (error === null && answer !== undefined) resolve(new Fields(answer));
    else reject(error ?? new Error("no answer"));
  });
  return promise;
}

/** The last of several answers. */
export async function lastOf(client: Client, path: string, message: Buffer, entries: Entries): Promise<Fields> {
  const options = { deadline: Date.now() + TIMEOUT_MS };
  let last: Buffer = Buffer.alloc(0);
  const answers = client.makeServerStreamRequest(path, asIs, asIs, message, metadataOf(entries), options);
  for await (const answer of answers) last = answer as Buffer;
  return new Fields(last);
}

// A bearer token.

/** The metadata of a call with a token; a client that makes many calls keeps it for most of its `expires_in`. */
export async function token(workload: string, scope: string, secret?: string): Promise<Entries> {
  const resource = "https://order.production.internal";
  const form = new URLSearchParams({ grant_type: "client_credentials", resource, scope });
  let headers: Entries = {};
  if (secret === undefined) form.set("client_id", workload);
  else headers = { authorization: `Basic ${btoa(`${workload}:${encodeURIComponent(secret)}`)}` };
  const answer = JSON.parse(await post(workload, form.toString(), headers)) as Entries;
  if (answer["access_token"] === undefined) throw new Error(answer["error"]);
  return { authorization: `Bearer ${answer["access_token"]}` };
}

function post(workload: string, form: string, headers: Entries): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const [host, port] = variable("ISSUER").split(":");
  const asked = request({
    ...tlsOf(workload),
    host,
    port,
    servername: "issuer.production.internal",
    checkServerIdentity: onlyBy("spiffe://production.internal/issuer"),
    // Its own connection, through nobody's proxy.
    agent: false,
    method: "POST",
    path: "/oauth/token",
    headers: { ...headers, "content-type": "application/x-www-form-urlencoded", "content-length": form.length },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  asked.on("error", reject);
  asked.on("response", (response) => void text(response).then(resolve, reject));
  asked.end(form);
  return promise;
}

// A signature.

/** What a request is signed with. */
export interface Signing {
  readonly keyId: string;
  readonly secret: string;
  /** `/package.Service/Method` */
  readonly path: string;
  /** The bytes that are sent. */
  readonly message: Buffer;
  readonly timestamp?: string;
  readonly nonce?: string;
}

/** The metadata of one attempt. */
export function sign({ keyId, secret, path, message, ...once }: Signing): Entries {
  const { timestamp = String(Math.floor(Date.now() / 1000)), nonce = randomBytes(16).toString("hex") } = once;
  const head = `POST\n${path}\n${timestamp}\n${nonce}\n`;
  const signature = createHmac("sha256", secret).update(head, "ascii").update(message).digest("hex");
  return { "x-api-key": keyId, "x-timestamp": timestamp, "x-nonce": nonce, "x-signature": signature };
}

// A refusal.

export interface Refusal {
  readonly reason?: string;
  readonly serverTime?: number;
  readonly retryMs?: number;
}

/** What the trailers of a refused call say. */
export function refusalOf({ metadata }: ServiceError): Refusal {
  let refusal: Refusal = {};
  const [bytes] = metadata.get("grpc-status-details-bin");
  for (const detail of bytes instanceof Buffer ? new Fields(bytes).messages(3) : []) {
    const content = detail.message(2);
    if (detail.text(1).endsWith("/google.rpc.ErrorInfo") && content.text(2) === "auth.zerotrust") {
      const clock = content.messages(3).find((entry) => entry.text(1) === "server_time");
      refusal = { ...refusal, reason: content.text(1), ...(clock && { serverTime: Number(clock.text(2)) }) };
    }
    if (detail.text(1).endsWith("/google.rpc.RetryInfo")) {
      const delay = content.message(1);
      refusal = { ...refusal, retryMs: Number(delay.number(1)) * 1000 + Number(delay.number(2)) / 1e6 };
    }
  }
  return refusal;
}
