import { constants, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { createCa, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { runChild } from "./child.ts";
import { echoClient } from "./echo-client.ts";
import { echoDefinition, echoServer } from "./echo-server.ts";
import { tlsAttempt } from "./tls-attempt.ts";
import { keyPair } from "./tls-credentials.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Stranger" });
const roots = Buffer.from(ca.ca);
const server = await ca.issue({ spiffeId: "spiffe://production.internal/payment" });
const caller = await ca.issue({ spiffeId: "spiffe://production.internal/order" });
const context = { ca: ca.ca, cert: server.cert, key: server.key };

/** Until the condition holds. */
const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 15_000, interval: 10 });

// page: own-server-credentials
class Tls13Credentials extends grpc.ServerCredentials {
  constructor(material: SecureContextOptions) {
    super({ requestCert: true, rejectUnauthorized: true }, Tls13Credentials.#withRules(material));
  }
  reload(material: SecureContextOptions): void {
    this.updateSecureContextOptions(Tls13Credentials.#withRules(material));
  }
  static #withRules(material: SecureContextOptions): SecureContextOptions {
    return { ...material, minVersion: "TLSv1.3", secureOptions: constants.SSL_OP_NO_TICKET };
  }
  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
}
// end

/** The obvious way to write them. */
class LaxCredentials extends grpc.ServerCredentials {
  reload(material: SecureContextOptions): void {
    this.updateSecureContextOptions(material);
  }
  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
}

describe("TLS 1.2 is accepted", () => {
  test("library: a server of createSsl speaks TLS 1.2", async () => {
    using echo = await echoServer({ credentials: grpc.ServerCredentials.createSsl(roots, [keyPair(server)], true) });
    const attempt = await tlsAttempt(echo.port, { ...caller, maxVersion: "TLSv1.2" });
    expect(attempt).toMatchObject({ served: true, protocol: "TLSv1.2" });
  });

  test("library: a subclass of ServerCredentials can refuse it, and goes on refusing it after a reload", async () => {
    const credentials = new Tls13Credentials(context);
    using echo = await echoServer({ credentials });
    for (let round = 0; round < 2; round += 1) {
      expect(await tlsAttempt(echo.port, { ...caller, maxVersion: "TLSv1.2" })).toMatchObject({ served: false });
      expect(await tlsAttempt(echo.port, caller)).toMatchObject({ served: true, protocol: "TLSv1.3" });
      credentials.reload(context);
    }
  });
});

describe("a reload loses the TLS options of the constructor", () => {
  test("library: minVersion in the constructor options is lost at the first updateSecureContextOptions", async () => {
    const credentials = new LaxCredentials({ requestCert: true, minVersion: "TLSv1.3" }, context);
    using echo = await echoServer({ credentials });
    const old = { ...caller, maxVersion: "TLSv1.2" } as const;
    expect(await tlsAttempt(echo.port, old)).toMatchObject({ served: false });
    credentials.reload(context);
    expect(await tlsAttempt(echo.port, old)).toMatchObject({ served: true, protocol: "TLSv1.2" });
  });
});

describe("a session ticket revives an expired certificate", () => {
  test("library: an expired client certificate is served again by a session ticket", async () => {
    using echo = await echoServer({ credentials: grpc.ServerCredentials.createSsl(roots, [keyPair(server)], true) });
    const { brief, end } = await briefCertificate();
    const { session } = await tlsAttempt(echo.port, brief);
    if (session === undefined) throw new Error("no ticket");
    await until(() => Date.now() > end + 1000);
    expect(await tlsAttempt(echo.port, brief)).toMatchObject({ served: false });
    expect(await tlsAttempt(echo.port, { ...brief, session })).toMatchObject({ served: true, reused: true });
  });

  test("library: with ticketKeys of our own, a session is resumed after its CA was taken out", async () => {
    const ticketKeys = randomBytes(48);
    const changing = new LaxCredentials({ requestCert: true, ticketKeys }, context);
    using echo = await echoServer({ credentials: changing });
    const { session } = await tlsAttempt(echo.port, caller);
    if (session === undefined) throw new Error("no ticket");
    changing.reload({ ...context, ca: stranger.ca });
    expect(await tlsAttempt(echo.port, caller)).toMatchObject({ served: false });
    expect(await tlsAttempt(echo.port, { ...caller, session })).toMatchObject({ served: true, reused: true });
  });

  test("library: with SSL_OP_NO_TICKET there is no session to resume", async () => {
    using echo = await echoServer({ credentials: new Tls13Credentials(context) });
    const { served, session } = await tlsAttempt(echo.port, caller);
    expect(served).toBe(true);
    const again = await tlsAttempt(echo.port, { ...caller, ...(session === undefined ? {} : { session }) });
    expect(again).toMatchObject({ served: true, reused: false });
  });

  /** Dates of certificates are whole seconds: it has four to five to live. */
  async function briefCertificate() {
    const end = Math.floor(Date.now() / 1000) * 1000 + 5000;
    const leaf: LeafOptions = { spiffeId: "spiffe://production.internal/order", notAfter: new Date(end) };
    return { brief: await ca.issue(leaf), end };
  }
});

describe("a handshake that does not end", () => {
  test("library: a TLS handshake may take two minutes", async () => {
    const tls = createTlsServer(context);
    const [timeout] = Object.getOwnPropertySymbols(tls).filter(
      ({ description }) => description === "handshake-timeout",
    );
    expect(timeout && Reflect.get(tls, timeout)).toBe(120_000);
  });
});

describe("a connection injected into a server is drained by nobody", () => {
  test("library: tryShutdown calls back while a call on an injected connection is running", async () => {
    const answer = Promise.withResolvers<() => void>();
    using echo = await injected({}, (_call, callback) => answer.resolve(() => callback(null, Buffer.from("late"))));
    using client = echoClient(echo.port);
    const running = client.call();
    const finish = await answer.promise;
    await new Promise((resolve) => echo.server.tryShutdown(resolve));
    // It is still running, and ends well.
    finish();
    expect(await running).toEqual({ code: grpc.status.OK, text: "late" });
  });

  test("library: forceShutdown leaves running calls alone where grpc.enable_channelz is 0", async () => {
    for (const channelz of [0, 1]) {
      using echo = await echoServer({ options: { "grpc.enable_channelz": channelz } });
      using client = echoClient(echo.port);
      const bidi = client.bidi();
      const ended = new Promise<string>((resolve) => {
        bidi.on("error", () => resolve("cut off")).on("end", () => resolve("ended well"));
      });
      bidi.write(Buffer.from("before"));
      await once(bidi, "data");
      echo.server.forceShutdown();
      bidi.resume();
      bidi.write(Buffer.from("after"));
      bidi.end();
      expect(await ended).toBe(channelz === 0 ? "ended well" : "cut off");
    }
  });

  test("library: streamResetBurst does not reach a server of injected connections", async () => {
    const given = { "grpc.max_concurrent_streams": 7 };
    using echo = await injected(given, (call, callback) => callback(null, call.request));
    // What grpc-js passes to http2.createServer for it, and all that it passes.
    const inner = Reflect.get(echo.server, "commonServerOptions") as object;
    expect(inner).toMatchObject({ settings: { maxConcurrentStreams: 7 } });
    expect(Object.keys(inner)).not.toContain("streamResetBurst");
  });
});

describe("a call has no handle of its connection", () => {
  test("library: a server interceptor gets the four addresses of its connection, and nothing that lives as long", async () => {
    const infos: object[] = [];
    const interceptor: grpc.ServerInterceptor = (_method, call) => {
      infos.push(call.getConnectionInfo());
      return new grpc.ServerInterceptingCall(call);
    };
    using echo = await echoServer({ options: { interceptors: [interceptor] } });
    using client = echoClient(echo.port);
    await client.call();
    await client.call();
    expect(infos[0]).toEqual({
      localAddress: "127.0.0.1",
      localPort: echo.port,
      remoteAddress: "127.0.0.1",
      remotePort: expect.any(Number),
    });
    expect(infos[1]).toEqual(infos[0]);
    expect(infos[1]).not.toBe(infos[0]);
  });
});

describe("TLS to an IP address", () => {
  test("library: for a target that is an IP address Node warns, unless grpc.ssl_target_name_override is set", async () => {
    const { stdout } = await runChild(
      `
      import * as grpc from "@grpc/grpc-js";
      import { echoClient } from "./traps/echo-client.ts";
      import { echoServer } from "./traps/echo-server.ts";
      import { clientTls, keyPair } from "./traps/tls-credentials.ts";
      const warnings = [];
      process.on("warning", ({ code }) => warnings.push(code));
      const server = JSON.parse(process.env.SERVER);
      const credentials = grpc.ServerCredentials.createSsl(Buffer.from(server.ca), [keyPair(server)], true);
      using echo = await echoServer({ credentials });
      for (const options of [{ "grpc.ssl_target_name_override": "payment.production.internal" }, {}]) {
        using client = echoClient(echo.port, {
          credentials: clientTls(server, { checkServerIdentity: () => undefined }),
          "grpc.use_local_subchannel_pool": 1,
          ...options,
        });
        console.log((await client.call()).code, warnings.join());
      }
    `,
      { SERVER: JSON.stringify(server) },
    );
    // From Node 26 on it is no warning but an error.
    expect(stdout).toBe("0 \n0 DEP0123\n");
  });
});

/** A server whose plaintext connections are accepted by us. */
async function injected(given: grpc.ServerOptions, unary: grpc.handleUnaryCall<Buffer, Buffer>) {
  const grpcServer = new grpc.Server(given);
  grpcServer.addService({ Unary: echoDefinition.Unary }, { Unary: unary });
  const injector = grpcServer.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const tcp = createServer((socket: Socket) => injector.injectConnection(socket));
  await new Promise<void>((resolve) => {
    tcp.listen(0, "127.0.0.1", resolve);
  });
  const address = tcp.address();
  return {
    server: grpcServer,
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.dispose]() {
      tcp.close();
      grpcServer.forceShutdown();
    },
  };
}
