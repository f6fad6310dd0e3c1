import { once } from "node:events";
import { connect } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { createCa, type IssuedCertificate } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { identityFromMemory, mutualTlsChannels, type Peer, PeerError } from "../src/index.ts";
import { attempt, callAs, callEcho, carelessChannel, type EchoServer, echoServer } from "./echo.ts";
import { until } from "./until.ts";

const ca = await createCa();
const orderId = "spiffe://production.internal/order-service";
const paymentId = "spiffe://production.internal/payment-service";
const order = await ca.issue({ spiffeId: orderId });
const payment = await ca.issue({ spiffeId: paymentId });
const crls = async (...revoked: readonly IssuedCertificate[]) => {
  const serials = revoked.map(({ cert }) => cert);
  return `${await ca.crl({ issuer: "root" })}${await ca.crl({ issuer: "intermediate", revoked: serials })}`;
};
const listed = { ...payment, crl: await crls() };

const ok = { code: grpc.status.OK, text: "hello" };

/** What a server shows to the next client. */
async function shown(port: number): Promise<string> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    ...order,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  await once(socket, "close");
  return fingerprint256;
}

/** Calls one after the other over one channel, until it is told to stop. */
function keepCalling(channel: grpc.ChannelInterface) {
  const answers: { readonly code: grpc.status }[] = [];
  let stopped = false;
  const ended = (async () => {
    while (!stopped) answers.push(await callEcho(channel));
  })();
  return {
    answers,
    async stop(): Promise<void> {
      stopped = true;
      await ended;
    },
  };
}

/** The certificates that its callers showed, call by call. */
const shownIn = (echo: EchoServer) => (echo.peers as readonly Peer[]).map(({ thumbprint }) => thumbprint);

/** Calls until a call shows this certificate; none fails. */
async function untilShown(
  thumbprint: string,
  { echo, channel }: { readonly echo: EchoServer; readonly channel: grpc.ChannelInterface },
): Promise<void> {
  await until(async () => {
    expect(await callEcho(channel)).toEqual(ok);
    return shownIn(echo).at(-1) === thumbprint;
  });
}

describe("a server whose certificate is replaced", () => {
  test("shows the new one with the next handshake, and fails no call", async () => {
    const identity = identityFromMemory(payment);
    await using echo = await echoServer({ identity });
    const channel = carelessChannel(echo.port, order);
    const calls = keepCalling(channel);
    const before = await shown(echo.port);
    for (let round = 0; round < 5; round += 1) {
      identity.replace(await ca.issue({ spiffeId: paymentId }));
      const called = calls.answers.length;
      await until(() => calls.answers.length > called);
    }
    expect(await shown(echo.port)).not.toBe(before);
    await calls.stop();
    channel.close();
    expect(calls.answers.filter(({ code }) => code !== grpc.status.OK)).toEqual([]);
  });

  test("loosens nothing: TLS 1.2 stays out, a certificate stays needed, and no session can be resumed", async () => {
    const identity = identityFromMemory(payment);
    await using echo = await echoServer({ identity });
    for (const when of ["before", "after"]) {
      const tls12 = { ...order, maxVersion: "TLSv1.2" as const };
      expect([when, (await attempt(echo.port, tls12)).served]).toEqual([when, false]);
      expect([when, (await attempt(echo.port, { ca: ca.ca })).served]).toEqual([when, false]);
      const { served, session } = await attempt(echo.port, order);
      expect([when, served]).toEqual([when, true]);
      const again = await attempt(echo.port, { ...order, ...(session === undefined ? {} : { session }) });
      expect([when, again.served, again.reused]).toEqual([when, true, false]);
      identity.replace(await ca.issue({ spiffeId: paymentId }));
    }
  });
});

describe("a server whose revocation list is replaced", () => {
  const revocation = async (revoked: IssuedCertificate) => ({ ...payment, crl: await crls(revoked) });

  test("refuses the revoked client, counts it by its cause, and serves the others throughout", async () => {
    const identity = identityFromMemory(listed);
    await using echo = await echoServer({ identity });
    const revoked = await ca.issue({ spiffeId: orderId });
    const channel = carelessChannel(echo.port, order);
    const calls = keepCalling(channel);
    expect(await callAs(echo.port, revoked)).toEqual(ok);
    identity.replace(await revocation(revoked));
    expect(await callAs(echo.port, revoked)).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(echo.refused).toMatchObject([{ cause: "CERT_REVOKED" }]);
    expect(echo.door.refusals).toEqual(new Map([["CERT_REVOKED", 1]]));
    const called = calls.answers.length;
    await until(() => calls.answers.length > called);
    await calls.stop();
    channel.close();
    expect(calls.answers.filter(({ code }) => code !== grpc.status.OK)).toEqual([]);
  });

  test("tells of a revoked peer while its call runs, and cuts its connection off", async () => {
    const identity = identityFromMemory(listed);
    const running = Promise.withResolvers<() => Peer>();
    const release = Promise.withResolvers<void>();
    await using echo = await echoServer({
      identity,
      before: (peer) => {
        running.resolve(peer);
        return release.promise;
      },
    });
    const revoked = await ca.issue({ spiffeId: orderId });
    const channel = carelessChannel(echo.port, revoked);
    const call = callEcho(channel, new grpc.Metadata(), 30_000);
    const peer = await running.promise;
    expect(peer().spiffeId).toBe(orderId);
    identity.replace(await revocation(revoked));
    expect(peer).toThrow(PeerError);
    expect(peer).toThrow(/revoked/);
    expect(await call).toMatchObject({ code: grpc.status.UNAVAILABLE });
    await until(() => echo.door.connections === 0);
    release.resolve();
    channel.close();
  });

  test("lets what runs for others end, on a connection that takes no new calls", async () => {
    const identity = identityFromMemory(listed);
    const release = Promise.withResolvers<void>();
    await using echo = await echoServer({ identity, before: () => release.promise });
    const channel = carelessChannel(echo.port, order);
    const running = callEcho(channel);
    await until(() => echo.metadata.length === 1);
    identity.replace(await revocation(await ca.issue({ spiffeId: orderId })));
    const next = callEcho(channel);
    await until(() => echo.metadata.length === 2);
    expect(echo.door.connections).toBe(2);
    release.resolve();
    expect(await Promise.all([running, next])).toEqual([ok, ok]);
    await until(() => echo.door.connections === 1);
    channel.close();
  });

  test("cuts off what runs on the connections of before when their time is over, and nothing on those made since", async () => {
    const identity = identityFromMemory(listed);
    const release = Promise.withResolvers<void>();
    await using echo = await echoServer({ identity, before: () => release.promise, drainMs: 500 });
    const channel = carelessChannel(echo.port, order);
    const before = callEcho(channel, new grpc.Metadata(), 30_000);
    await until(() => echo.metadata.length === 1);
    identity.replace(await revocation(await ca.issue({ spiffeId: orderId })));
    const since = callEcho(channel, new grpc.Metadata(), 30_000);
    await until(() => echo.metadata.length === 2);
    expect((await before).code).not.toBe(grpc.status.OK);
    await until(() => echo.door.connections === 1);
    release.resolve();
    expect(await since).toEqual(ok);
    channel.close();
  });

  test("tells nobody to go for a list that says nothing new", async () => {
    const identity = identityFromMemory(listed);
    await using echo = await echoServer({ identity });
    const channel = carelessChannel(echo.port, order);
    expect(await callEcho(channel)).toEqual(ok);
    identity.replace({ ...payment, crl: await crls() });
    for (let calls = 0; calls < 3; calls += 1) expect(await callEcho(channel)).toEqual(ok);
    expect(new Set(echo.connections).size).toBe(1);
    channel.close();
  });
});

describe("a server whose CA is replaced", () => {
  test("trusts both while both are there, and then the new one alone", async () => {
    const next = await createCa({ name: "Next" });
    const identity = identityFromMemory(payment);
    await using echo = await echoServer({ identity });
    const ofNext = await next.issue({ spiffeId: orderId });
    const both = `${ca.ca}${next.ca}`;
    const call = (material: IssuedCertificate) => callAs(echo.port, { ...material, ca: both });

    expect((await call(ofNext)).code).toBe(grpc.status.UNAVAILABLE);
    identity.replace({ ...payment, ca: both });
    expect([await call(order), await call(ofNext)]).toEqual([ok, ok]);
    identity.replace({ ...(await next.issue({ spiffeId: paymentId })), ca: both });
    expect([await call(order), await call(ofNext)]).toEqual([ok, ok]);
    identity.replace(await next.issue({ spiffeId: paymentId }));
    expect((await call(order)).code).toBe(grpc.status.UNAVAILABLE);
    expect(await call(ofNext)).toEqual(ok);
  });
});

describe("a certificate that expires while its connection lives", () => {
  test("is refused on the next call, and its connection cut off", async () => {
    await using echo = await echoServer({ material: payment });
    const brief = await ca.issue({ spiffeId: orderId, notAfter: new Date(Date.now() + 2000) });
    const channel = carelessChannel(echo.port, brief);
    expect(await callEcho(channel)).toEqual(ok);
    let last = ok.code;
    await until(() => {
      void callEcho(channel).then(({ code }) => {
        last = code;
      });
      return last !== grpc.status.OK;
    });
    expect(last).toBe(grpc.status.UNAUTHENTICATED);
    await until(() => echo.door.connections === 0);
    channel.close();
  });
});

describe("channels whose certificate is replaced", () => {
  test("show the new one when it has a connection, let calls of the old one end, and fail none", async () => {
    const identity = identityFromMemory(order);
    const release = Promise.withResolvers<void>();
    let hold: Promise<void> | undefined = release.promise;
    await using echo = await echoServer({ material: payment, before: async () => await hold });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const channel = channels.channel();
    const running = callEcho(channel);
    await until(() => echo.metadata.length === 1);
    hold = undefined;
    const former = identity.thumbprint;
    identity.replace(await ca.issue({ spiffeId: orderId }));
    await untilShown(identity.thumbprint, { echo, channel });
    expect(channels.channel()).toBe(channel);
    expect(echo.door.connections).toBe(2);
    expect(shownIn(echo)[0]).toBe(former);
    release.resolve();
    expect(await running).toEqual(ok);
    // The last call of the old one has ended.
    await until(() => echo.door.connections === 1);
    channels.close();
    await until(() => echo.door.connections === 0);
  });

  test("have its connection before a call is made", async () => {
    const identity = identityFromMemory(order);
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const gate = Promise.withResolvers<void>();
    channels.prepareWith(() => gate.promise);
    expect(await callEcho(channels.channel())).toEqual(ok);
    identity.replace(await ca.issue({ spiffeId: orderId }));
    await until(() => echo.door.connections === 2);
    gate.resolve();
    // The former one goes, though nobody calls.
    await until(() => echo.door.connections === 1);
    expect(channels.channel().getConnectivityState(false)).toBe(grpc.connectivityState.READY);
    expect(await callEcho(channels.channel())).toEqual(ok);
    expect(shownIn(echo).at(-1)).toBe(identity.thumbprint);
    channels.close();
  });

  test("show the former one, and say so, as long as the server does not take the new one", async () => {
    const next = await createCa({ name: "Next" });
    const both = order.ca + next.ca;
    const identity = identityFromMemory({ ...order, ca: both });
    const server = identityFromMemory(payment);
    await using echo = await echoServer({ identity: server });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const channel = channels.channel();
    const { thumbprint: former, expiresAtMs: formerEndsAtMs } = identity;
    expect(channels.expiresAtMs).toBeUndefined();
    expect(await callEcho(channel)).toEqual(ok);
    const warned = once(process, "warning");
    const notAfter = new Date(formerEndsAtMs + 3_600_000);
    identity.replace({ ...(await next.issue({ spiffeId: orderId, notAfter })), ca: both });
    expect(await warned).toMatchObject([
      {
        code: "ZERO_TRUST_CERTIFICATE_NOT_USED",
        message: `Calls to ${channels.target} show the former certificate: no connection can be made with the new one.`,
      },
    ]);
    expect(await callEcho(channel)).toEqual(ok);
    expect(shownIn(echo)).toEqual([former, former]);
    expect(channels.expiresAtMs).toBe(formerEndsAtMs);
    server.replace({ ...payment, ca: both });
    await untilShown(identity.thumbprint, { echo, channel });
    expect(channels.expiresAtMs).toBe(identity.expiresAtMs);
    channels.close();
  });

  test("show the former one, and say so, until what was to be prepared is there", async () => {
    const identity = identityFromMemory(order);
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const channel = channels.channel();
    const gate = Promise.withResolvers<void>();
    const asked: string[] = [];
    channels.prepareWith((thumbprint) => {
      asked.push(thumbprint);
      if (asked.length === 1) throw new Error("a secret that nobody is to see");
      return gate.promise;
    });
    const former = identity.thumbprint;
    expect(await callEcho(channel)).toEqual(ok);
    expect(asked).toEqual([]);
    const warned = once(process, "warning");
    identity.replace(await ca.issue({ spiffeId: orderId }));
    expect(await warned).toMatchObject([
      {
        code: "ZERO_TRUST_CERTIFICATE_NOT_USED",
        message: `Calls to ${channels.target} show the former certificate: what they need with the new one cannot be had yet.`,
      },
    ]);
    await until(() => asked.length === 2);
    expect(asked).toEqual([identity.thumbprint, identity.thumbprint]);
    await until(() => echo.door.connections === 2);
    expect(await callEcho(channel)).toEqual(ok);
    expect(shownIn(echo)).toEqual([former, former]);
    gate.resolve();
    await untilShown(identity.thumbprint, { echo, channel });
    expect(asked).toHaveLength(2);
    channels.close();
  });

  test("prepare the newest, where another has come meanwhile", async () => {
    const identity = identityFromMemory(order);
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const channel = channels.channel();
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let asked = 0;
    channels.prepareWith(() => gates[asked++]?.promise);
    expect(await callEcho(channel)).toEqual(ok);
    identity.replace(await ca.issue({ spiffeId: orderId }));
    const skipped = identity.thumbprint;
    await until(() => echo.door.connections === 2);
    identity.replace(await ca.issue({ spiffeId: orderId }));
    await until(() => asked === 2);
    gates[0]?.resolve();
    expect(await callEcho(channel)).toEqual(ok);
    gates[1]?.resolve();
    await untilShown(identity.thumbprint, { echo, channel });
    expect(shownIn(echo)).not.toContain(skipped);
    await until(() => echo.door.connections === 1);
    channels.close();
  });

  test("wait for nothing where something is trusted no longer", async () => {
    const server = await ca.issue({ spiffeId: paymentId });
    const identity = identityFromMemory({ ...order, crl: await crls() });
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    channels.prepareWith(() => new Promise(() => undefined));
    expect(await callEcho(channels.channel())).toEqual(ok);
    identity.replace({ ...(await ca.issue({ spiffeId: orderId })), crl: await crls() });
    expect(await callEcho(channels.channel())).toEqual(ok);
    expect(shownIn(echo).at(-1)).not.toBe(identity.thumbprint);
    identity.replace({ ...(await ca.issue({ spiffeId: orderId })), crl: await crls(server) });
    expect(await callEcho(channels.channel())).toEqual(ok);
    expect(shownIn(echo).at(-1)).toBe(identity.thumbprint);
    channels.close();
  });

  test("wait for nothing where the former one ends", async () => {
    // Half a minute before that, no other call is made with it.
    const brief = await ca.issue({ spiffeId: orderId, notAfter: new Date(Date.now() + 32_000) });
    const identity = identityFromMemory(brief);
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    channels.prepareWith(() => new Promise(() => undefined));
    expect(await callEcho(channels.channel())).toEqual(ok);
    identity.replace(order);
    await untilShown(identity.thumbprint, { echo, channel: channels.channel() });
    channels.close();
  });

  test("wait for nothing where the server does not take the former one", async () => {
    const former = await ca.issue({ spiffeId: orderId });
    const identity = identityFromMemory(former);
    const server = identityFromMemory(listed);
    await using echo = await echoServer({ identity: server });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const channel = channels.channel();
    channels.prepareWith(() => new Promise(() => undefined));
    expect(await callEcho(channel)).toEqual(ok);
    identity.replace(order);
    server.replace({ ...payment, crl: await crls(former) });
    await until(
      async () => (await callEcho(channel)).code === grpc.status.OK && shownIn(echo).at(-1) === identity.thumbprint,
    );
    channels.close();
  });

  test("wait for nothing once they are closed", async () => {
    const identity = identityFromMemory(order);
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    channels.prepareWith(() => new Promise(() => undefined));
    expect(await callEcho(channels.channel())).toEqual(ok);
    identity.replace(await ca.issue({ spiffeId: orderId }));
    await until(() => echo.door.connections === 2);
    channels.close();
    await until(() => echo.door.connections === 0);
  });

  test("fail no call under a rotation after another", async () => {
    const identity = identityFromMemory(order);
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    const calls = [1, 2, 3].map(() => keepCalling(channels.channel()));
    const rounds = 10;
    for (let round = 0; round < rounds; round += 1) {
      identity.replace(await ca.issue({ spiffeId: orderId }));
      await until(() => shownIn(echo).includes(identity.thumbprint));
    }
    for (const each of calls) await each.stop();
    expect(calls.flatMap(({ answers }) => answers).filter(({ code }) => code !== grpc.status.OK)).toEqual([]);
    await until(() => echo.door.connections === 1);
    channels.close();
  });

  test("tell of each call which certificate it shows", async () => {
    const identity = identityFromMemory(order);
    const channels = mutualTlsChannels({ identity, target: "127.0.0.1:1", serverId: paymentId });
    const create = () => channels.channel().createCall("/test.Echo/Echo", Infinity, null, null, null);
    const first = create();
    const before = identity.thumbprint;
    identity.replace(await ca.issue({ spiffeId: orderId }));
    expect(first.certificateThumbprint).toBe(before);
    expect(create().certificateThumbprint).toBe(identity.thumbprint);
    channels.close();
  });

  test("make a call with the new certificate for somebody who is told of it first", async () => {
    const identity = identityFromMemory(order);
    const made: [string, string][] = [];
    const call = () => channels.channel().createCall("/test.Echo/Echo", Infinity, null, null, null);
    identity.onChange(() => made.push([call().certificateThumbprint, identity.thumbprint]));
    const channels = mutualTlsChannels({ identity, target: "127.0.0.1:1", serverId: paymentId });
    call();
    identity.replace(await ca.issue({ spiffeId: orderId }));
    expect(made[0]?.[0]).toBe(made[0]?.[1]);
    channels.close();
  });

  test("reach a revoked server no more, and end what runs on its connection", async () => {
    const server = await ca.issue({ spiffeId: paymentId });
    const identity = identityFromMemory({ ...order, crl: await crls() });
    await using echo = await echoServer({ material: server });
    const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${echo.port}`, serverId: paymentId });
    expect(await callEcho(channels.channel())).toEqual(ok);
    identity.replace({ ...order, crl: await crls(server) });
    const answer = await callEcho(channels.channel());
    expect(answer).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(answer.text).toMatch(/revoked/i);
    expect(echo.metadata).toHaveLength(1);
    channels.close();
  });

  test("use no connection longer than the server's certificate is good", async () => {
    const server = identityFromMemory(await ca.issue({ spiffeId: paymentId, notAfter: new Date(Date.now() + 2000) }));
    await using echo = await echoServer({ identity: server });
    const channels = mutualTlsChannels({
      identity: identityFromMemory(order),
      target: `127.0.0.1:${echo.port}`,
      serverId: paymentId,
    });
    expect(await callEcho(channels.channel())).toEqual(ok);
    server.replace(payment);
    expect(await callEcho(channels.channel())).toEqual(ok);
    expect(new Set(echo.connections).size).toBe(1);
    await until(() => echo.door.connections === 0);
    expect(await callEcho(channels.channel())).toEqual(ok);
    expect(new Set(echo.connections).size).toBe(2);
    channels.close();
  });
});
