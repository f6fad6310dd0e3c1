import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { RelayAnswer, RelayMode, RelayOptions, RelayState } from "./protocol.ts";

/** How often the body of an answer is written before the reader has to catch up. */
const burst = 16;

/** One port that leads to another one, and may be told to misbehave. */
export class TcpRelay {
  readonly #target: string;
  readonly #tlsFolder: (workload: string) => string;
  readonly #sockets = new Set<Socket>();
  readonly #requests: string[] = [];
  #mode: RelayMode = { kind: "pass" };
  #connections = 0;
  #bytes = 0;
  #https: HttpsServer | undefined;

  private constructor(target: string, tlsFolder: (workload: string) => string) {
    this.#target = target;
    this.#tlsFolder = tlsFolder;
  }

  /** Listens; gives the relay, and its port. */
  static async open(
    { host, port, target }: RelayOptions,
    tlsFolder: (workload: string) => string,
  ): Promise<readonly [relay: TcpRelay, port: number]> {
    const relay = new TcpRelay(target, tlsFolder);
    const server = createServer({ allowHalfOpen: true }, (socket) => relay.#accept(socket));
    server.listen(port, host);
    await once(server, "listening");
    return [relay, (server.address() as AddressInfo).port];
  }

  get state(): RelayState {
    return { connections: this.#connections, bytes: this.#bytes, requests: this.#requests };
  }

  become(mode: RelayMode): void {
    this.#mode = mode;
    this.#https = mode.kind === "answer" ? this.#answering(mode.as, mode.answers) : undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(near: Socket): void {
    this.#connections += 1;
    this.#keep(near);
    near.on("data", ({ length }) => {
      this.#bytes += length;
    });
    const mode = this.#mode;
    if (mode.kind === "refuse") near.destroy();
    else if (mode.kind === "answer") this.#https?.emit("connection", near);
    else if (mode.kind !== "silence") this.#passOn(near, mode);
  }

  #passOn(near: Socket, mode: RelayMode): void {
    const [, host, port] = /^(.*):(\d+)$/.exec(mode.kind === "mislead" ? mode.target : this.#target) ?? [];
    const far = connect({ host: host ?? "", port: Number(port), allowHalfOpen: true });
    this.#keep(far);
    const delay = mode.kind === "delay" ? mode : { ms: 0 };
    carry(near, far, delay);
    if (mode.kind !== "mute") carry(far, near, delay);
    else far.resume();
    near.once("close", () => far.destroy());
    far.once("close", () => near.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // What ends one side ends the other one; there is nobody to tell why.
    socket.on("error", () => {});
  }

  #answering(as: string, answers: Readonly<Record<string, RelayAnswer>>): HttpsServer {
    const file = (name: string) => readFileSync(join(this.#tlsFolder(as), name));
    const tls = { cert: file("tls.crt"), key: file("tls.key"), ca: file("ca.crt"), requestCert: true };
    return createHttpsServer({ ...tls, rejectUnauthorized: false, minVersion: "TLSv1.3" }, (request, response) => {
      const path = request.url ?? "";
      this.#requests.push(`${request.method} ${path}`);
      request.resume();
      const {
        status = 200,
        headers = {},
        body = "",
        encoding = "utf8",
        times = 1,
        hangs,
      } = answers[path] ?? { status: 404 };
      response.writeHead(status, headers);
      const bytes = Buffer.from(body, encoding);
      let sent = 0;
      const more = () => {
        while (sent < times) {
          sent += 1;
          if (!response.write(bytes) && sent % burst === 0) return void response.once("drain", more);
        }
        if (hangs !== true) response.end();
      };
      if (bytes.length === 0 && hangs === true) response.flushHeaders();
      else more();
    });
  }
}

function carry(
  from: Socket,
  to: Socket,
  { ms, jitterMs = 0 }: { readonly ms: number; readonly jitterMs?: number },
): void {
  if (ms === 0) return void from.pipe(to);
  // What came first goes first, whichever time is over: it is a stream.
  const waiting: (() => void)[] = [];
  const later = (work: () => void) => {
    waiting.push(work);
    setTimeout(() => waiting.shift()?.(), ms + Math.random() * jitterMs);
  };
  from.on("data", (data) => later(() => to.write(data)));
  from.on("end", () => later(() => to.end()));
}
