import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { Worker } from "node:worker_threads";
import { createCa } from "@zero-trust/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type TlsFolder, tlsFolder } from "../test/tls-folder.ts";
import { until } from "../test/until.ts";
import { identityFromDirectory, type TlsIdentityEvent, WatchedIdentity } from "./directory-identity.ts";
import { pemBlock } from "./pem.ts";
import { TlsIdentityError, type TlsMaterial } from "./tls-material.ts";

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
const spiffeId = "spiffe://production.internal/order-service";
const first: TlsMaterial = await ca.issue({ spiffeId });
const second: TlsMaterial = await ca.issue({ spiffeId });
const crls = (number: number, ...revoked: readonly TlsMaterial[]) =>
  ca.crls({ number, revoked: revoked.map(({ cert }) => cert) });
const bundle = ca.ca + stranger.ca;

let folder: TlsFolder;
let events: TlsIdentityEvent[];
let nowMs: number;

beforeEach(() => {
  folder = tlsFolder();
  events = [];
  nowMs = Date.now();
});
afterEach(() => folder[Symbol.dispose]());

const types = () => events.map(({ type }) => type);
const rejections = () => events.flatMap((event) => (event.type === "rejected" ? [event.error.message] : []));

/** Follows the folder, looking when told to. */
function watched(material: TlsMaterial): WatchedIdentity {
  folder.fill(material);
  return new WatchedIdentity(folder.path, { onEvent: (event) => events.push(event), now: () => nowMs });
}

function look(identity: WatchedIdentity, times: number): void {
  for (let time = 0; time < times; time += 1) {
    identity.look();
  }
}

describe("an identity of a directory", () => {
  test("takes other files when they have stayed the same for two looks, and tells of it", () => {
    const identity = watched(first);
    const { material, thumbprint, trust } = identity;
    const seen: string[] = [];
    identity.onChange(() => seen.push(identity.thumbprint));
    folder.fill(second);
    look(identity, 1);
    expect(identity.material).toBe(material);
    look(identity, 3);
    expect(identity.material.cert).toBe(second.cert);
    expect(identity.material.key).toBe(second.key);
    expect(identity.thumbprint).not.toBe(thumbprint);
    expect(identity.trust).not.toBe(trust);
    expect(identity.trust.tightens(trust)).toBe(false);
    expect(seen).toEqual([identity.thumbprint]);
    const { expiresAtMs } = identity;
    expect(events).toEqual([{ type: "reloaded", thumbprint: identity.thumbprint, expiresAtMs }]);
  });

  test("does nothing about the same bytes, written again or not", () => {
    const identity = watched(first);
    const { material, trust } = identity;
    look(identity, 2);
    folder.fill(first);
    look(identity, 3);
    expect(identity.material).toBe(material);
    expect(identity.trust).toBe(trust);
    expect(events).toEqual([]);
  });

  test("takes no part of a CA bundle for the whole", () => {
    const identity = watched({ ...first, ca: bundle });
    const seen = new Set([identity.material.ca]);
    // Each part is good by itself, and the next look sees another.
    for (const part of [stranger.ca, ca.ca, bundle.slice(0, -40), ca.ca, bundle]) {
      folder.write("ca.crt", part);
      look(identity, 1);
      seen.add(identity.material.ca);
    }
    look(identity, 2);
    expect([...seen]).toEqual([bundle]);
    expect(events).toEqual([]);
  });

  test("takes key and certificate together, in whatever order they are written", () => {
    const identity = watched(first);
    folder.write("tls.key", second.key);
    look(identity, 2);
    expect(identity.material.key).toBe(first.key);
    expect(rejections()).toEqual([
      `${join(folder.path, "tls.key")} does not belong to ${join(folder.path, "tls.crt")}; issue the two together.`,
    ]);
    folder.write("tls.crt", second.cert);
    look(identity, 2);
    expect(identity.material.cert).toBe(second.cert);
    expect(types()).toEqual(["rejected", "reloaded"]);
  });

  test.each<[string, () => void | Promise<void>, RegExp]>([
    [
      "an unfinished certificate",
      () => folder.write("tls.crt", second.cert.slice(0, -30)),
      /tls\.crt ends in the middle/,
    ],
    ["an unfinished bundle", () => folder.write("ca.crt", bundle.slice(0, -30)), /ca\.crt ends in the middle/],
    [
      "an unfinished list",
      async () => folder.write("ca.crl", (await crls(3)).slice(0, -30)),
      /ca\.crl holds an unfinished/,
    ],
    ["an empty CA", () => folder.write("ca.crt", ""), /ca\.crt holds no certificate/],
    ["another CA alone", () => folder.write("ca.crt", stranger.ca), /leads to none of the roots/],
    ["no certificate", () => folder.remove("tls.crt"), /tls\.crt does not exist/],
    ["no key", () => folder.remove("tls.key"), /tls\.key does not exist/],
    ["no CA", () => folder.remove("ca.crt"), /ca\.crt does not exist/],
    [
      "a folder for a file",
      () => {
        folder.remove("tls.key");
        mkdirSync(join(folder.path, "tls.key"));
      },
      /tls\.key cannot be read/,
    ],
    ["another's key", () => folder.write("tls.key", second.key), /tls\.key does not belong to/],
    ["a list no more", () => folder.remove("ca.crl"), /ca\.crl is gone, and what it revokes stays revoked/],
    ["an empty list", () => folder.write("ca.crl", ""), /ca\.crl holds no CRL in PEM/],
    [
      "a list of a lower number",
      async () => folder.write("ca.crl", await crls(1)),
      /ca\.crl .* older than the one in use/,
    ],
    [
      "a list of an earlier date",
      async () => folder.write("ca.crl", await ca.crls({ number: 9, thisUpdate: new Date(Date.now() - HOUR_MS) })),
      /ca\.crl .* older than the one in use/,
    ],
    [
      "the certificate of another workload",
      async () => folder.fill(await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" })),
      /tls\.crt is that of spiffe:\/\/production\.internal\/payment-service, and this process is .*order-service/,
    ],
    [
      "an expired certificate",
      async () =>
        folder.fill(
          await ca.issue({
            spiffeId,
            notBefore: new Date(Date.now() - DAY_MS),
            notAfter: new Date(Date.now() - HOUR_MS),
          }),
        ),
      /tls\.crt expired at/,
    ],
    [
      "a revoked certificate",
      async () => folder.write("ca.crl", await crls(3, first)),
      /tls\.crt cannot be used with .*ca\.crl/,
    ],
  ])("keeps the last good files where there is %s, and says so once", async (_what, spoil, message) => {
    const identity = watched({ ...first, crl: await crls(2) });
    const { material, trust } = identity;
    await spoil();
    look(identity, 4);
    expect(identity.material).toBe(material);
    expect(identity.trust).toBe(trust);
    expect(rejections()).toEqual([expect.stringMatching(message)]);
    expect(identity.status()).toMatchObject({ reloads: 0, rejected: 1 });
    const said = inspect(events, { depth: 10, showHidden: true });
    for (const { key } of [first, second]) {
      expect(said).not.toContain(key.split("\n")[1]);
    }
    // Whatever it was, good files are taken after it.
    folder[Symbol.dispose]();
    mkdirSync(folder.path);
    folder.fill({ ...second, crl: await crls(3) });
    look(identity, 2);
    expect(identity.material.cert).toBe(second.cert);
  });

  test("complains again of something else, and of the same thing when it comes back", () => {
    const identity = watched(first);
    const wrong = [second.key, "nonsense", "nonsense too"];
    for (const key of wrong) {
      folder.write("tls.key", key);
      look(identity, 3);
    }
    folder.write("tls.key", first.key);
    look(identity, 3);
    folder.write("tls.key", "nonsense too");
    look(identity, 3);
    expect(types()).toEqual(["rejected", "rejected", "rejected", "rejected"]);
    expect(identity.status().rejected).toBe(4);
  });

  test("checks files that were no good again, and not at each look", async () => {
    const identity = watched(first);
    const next = await ca.issue({ spiffeId, notBefore: new Date(nowMs + 5 * SECOND_MS) });
    folder.fill(next);
    look(identity, 3);
    nowMs += 10 * SECOND_MS;
    look(identity, 1);
    expect([identity.material.cert, types()]).toEqual([first.cert, ["rejected"]]);
    nowMs += 30 * SECOND_MS;
    look(identity, 1);
    expect([identity.material.cert, types()]).toEqual([next.cert, ["rejected", "reloaded"]]);
  });

  test("outlives a CA certificate that OpenSSL reads and we do not", () => {
    const identity = watched(first);
    const der = new X509Certificate(ca.ca).raw.toString("hex");
    // `critical` as a boolean that is neither true nor false (X.690 §11.1).
    const odd = Buffer.from(der.replace("0101ff04", "01010104"), "hex");
    folder.write("ca.crt", pemBlock(odd, "CERTIFICATE"));
    look(identity, 3);
    expect(rejections()).toEqual([`${join(folder.path, "ca.crt")} holds a damaged certificate; issue it again.`]);
    expect(identity.material.ca).toBe(first.ca);
  });

  test("takes a certificate when its time has come", async () => {
    const identity = watched(first);
    const notBefore = new Date(nowMs + HOUR_MS);
    const next = await ca.issue({ spiffeId, notBefore, notAfter: new Date(nowMs + DAY_MS) });
    folder.fill(next);
    look(identity, 3);
    expect(rejections()).toEqual([expect.stringContaining("is not valid before")]);
    nowMs = notBefore.getTime() + SECOND_MS;
    look(identity, 1);
    expect(identity.material.cert).toBe(next.cert);
  });

  test("goes on after a listener that throws", () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    try {
      folder.fill(first);
      const identity = new WatchedIdentity(folder.path, {
        onEvent: () => {
          throw new Error("a broken log");
        },
      });
      let told = 0;
      identity.onChange(() => {
        throw new TypeError("a broken listener");
      });
      const unfollow = identity.onChange(() => {
        told += 1;
      });
      folder.fill(second);
      look(identity, 2);
      expect(told).toBe(1);
      unfollow();
      folder.fill(first);
      look(identity, 2);
      expect(told).toBe(1);
      expect(identity.material.cert).toBe(first.cert);
      expect(warn).toHaveBeenCalledTimes(4);
    } finally {
      warn.mockRestore();
    }
  });

  test("goes on after a listener that rejects", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    try {
      folder.fill(first);
      // What an async function is to whoever calls it.
      const onEvent = (): unknown => Promise.reject(new Error("a broken log"));
      const identity = new WatchedIdentity(folder.path, { onEvent });
      folder.fill(second);
      look(identity, 2);
      await vi.waitFor(() => expect(warn).toHaveBeenCalledWith(new Error("a broken log")));
    } finally {
      warn.mockRestore();
    }
  });
});

describe("an identity of a directory that Kubernetes mounts", () => {
  function mounted(material: TlsMaterial): WatchedIdentity {
    folder.swap(material);
    return new WatchedIdentity(folder.path, { onEvent: (event) => events.push(event) });
  }

  test("takes a version that is swapped in at once", () => {
    const identity = mounted(first);
    folder.swap({ ...second, ca: bundle });
    look(identity, 1);
    expect(identity.material).toMatchObject({ cert: second.cert, ca: bundle });
    expect(types()).toEqual(["reloaded"]);
  });

  test("keeps the last good version where the next is not good, and says so at once", () => {
    const identity = mounted(first);
    folder.swap({ ...second, key: first.key });
    look(identity, 1);
    expect(identity.material.cert).toBe(first.cert);
    expect(rejections()).toEqual([expect.stringContaining("does not belong to")]);
    folder.swap({ cert: second.cert, key: second.key });
    look(identity, 1);
    expect(rejections().at(-1)).toBe(
      `${join(folder.path, "ca.crt")} does not exist; a TLS directory holds tls.crt, tls.key and ca.crt.`,
    );
    folder.swap(second);
    look(identity, 1);
    expect(identity.material.cert).toBe(second.cert);
  });

  test("reads all files from the one version, whatever the links beside it say", () => {
    folder.swap(first);
    // What a look would meet that follows each link by itself, and is interrupted by a swap.
    writeFileSync(join(folder.path, "next"), second.key);
    renameSync(join(folder.path, "next"), join(folder.path, "tls.key"));
    const identity = new WatchedIdentity(folder.path);
    expect(identity.material.key).toBe(first.key);
  });

  test("never mixes two versions, nor misses a deleted one, while they are swapped as it reads", async () => {
    folder.swap(first);
    const swapping = new Worker(new URL("../test/swap-folder.ts", import.meta.url), {
      execArgv: ["--conditions=source"],
      workerData: { path: folder.path, versions: [second, first] },
    });
    try {
      await once(swapping, "message");
      const identity = new WatchedIdentity(folder.path, { onEvent: (event) => events.push(event) });
      const end = Date.now() + 5 * SECOND_MS;
      while (identity.status().reloads < 30 && Date.now() < end) {
        identity.look();
      }
      expect(identity.status().reloads).toBeGreaterThan(0);
      expect(rejections()).toEqual([]);
    } finally {
      await swapping.terminate();
    }
  });

  test("takes a directory that is a link and points elsewhere at once", () => {
    using other = tlsFolder();
    folder.fill(first);
    other.fill(second);
    const link = join(other.path, "current");
    symlinkSync(folder.path, link);
    const identity = new WatchedIdentity(link);
    symlinkSync(other.path, `${link}.next`);
    renameSync(`${link}.next`, link);
    look(identity, 1);
    expect(identity.material.cert).toBe(second.cert);
  });
});

describe("the end of what is in use", () => {
  const ofType = (what: string) =>
    events.flatMap((event) => (event.type === "expiring" && event.what === what ? event : []));

  test("is told of a certificate when a quarter of its life is left, once, and again of the next one", async () => {
    const notBefore = new Date(Math.floor(nowMs / SECOND_MS) * SECOND_MS);
    const end = notBefore.getTime() + 8 * HOUR_MS;
    const identity = watched(await ca.issue({ spiffeId, notBefore, notAfter: new Date(end) }));
    nowMs = end - 2 * HOUR_MS - 1;
    look(identity, 2);
    expect(ofType("certificate")).toEqual([]);
    nowMs = end - 2 * HOUR_MS;
    look(identity, 3);
    expect(ofType("certificate")).toEqual([{ type: "expiring", what: "certificate", endsAtMs: end }]);
    expect(identity.status().certificateEndsAtMs).toBe(end);
    const later = end + 60_000;
    folder.fill(await ca.issue({ spiffeId, notBefore, notAfter: new Date(later) }));
    look(identity, 2);
    nowMs = end;
    look(identity, 2);
    expect(ofType("certificate").map(({ endsAtMs }) => endsAtMs)).toEqual([end, later]);
  });

  test("is told of a list when a quarter of its time is left, and of a CA 30 days ahead", async () => {
    const thisUpdate = new Date(Math.floor(nowMs / SECOND_MS) * SECOND_MS);
    const end = thisUpdate.getTime() + 4 * HOUR_MS;
    const identity = watched({ ...first, crl: await ca.crls({ thisUpdate, nextUpdate: new Date(end) }) });
    const { caEndsAtMs } = identity.status();
    expect(identity.status().crlEndsAtMs).toBe(end);
    nowMs = end - HOUR_MS - 1;
    look(identity, 1);
    expect(events).toEqual([]);
    nowMs = end - HOUR_MS;
    look(identity, 2);
    // Three lists, one end.
    expect(events).toEqual([{ type: "expiring", what: "crl", endsAtMs: end }]);
    nowMs = caEndsAtMs - 30 * DAY_MS - 1;
    look(identity, 1);
    expect(ofType("ca")).toEqual([]);
    nowMs = caEndsAtMs - 30 * DAY_MS;
    look(identity, 2);
    expect(ofType("ca")[0]).toEqual({ type: "expiring", what: "ca", endsAtMs: caEndsAtMs });
  });

  test("is told as far ahead as is asked for", async () => {
    folder.fill({ ...first, crl: await crls(1) });
    const warnBeforeMs = { certificate: 30 * DAY_MS, ca: 36_500 * DAY_MS, crl: 0 };
    const identity = new WatchedIdentity(folder.path, { warnBeforeMs, onEvent: (event) => events.push(event) });
    look(identity, 2);
    expect(ofType("certificate")).toHaveLength(1);
    expect(ofType("ca").length).toBeGreaterThan(0);
    expect(ofType("crl")).toEqual([]);
  });

  test("is not there for lists where there are none", () => {
    expect(watched(first).status()).toMatchObject({ crlEndsAtMs: undefined, reloads: 0, rejected: 0 });
  });
});

describe("identityFromDirectory", () => {
  test("looks by itself until it is closed", async () => {
    folder.fill(first);
    const followed = identityFromDirectory(folder.path, { pollMs: 2 });
    const closed = identityFromDirectory(folder.path, { pollMs: 2 });
    try {
      closed.close();
      folder.fill(second);
      await until(() => followed.material.cert === second.cert);
      expect(followed.status().reloads).toBe(1);
      expect(closed.material.cert).toBe(first.cert);
    } finally {
      followed.close();
    }
  });

  test("keeps no process alive", () => {
    folder.fill(first);
    const module = new URL("./directory-identity.ts", import.meta.url).href;
    const script = `import { identityFromDirectory } from ${JSON.stringify(module)};
      console.log(identityFromDirectory(${JSON.stringify(folder.path)}, { pollMs: 10 }).spiffeId);`;
    const args = ["--conditions=source", "--input-type=module", "--eval", script];
    expect(execFileSync(process.execPath, args, { encoding: "utf8", timeout: 15_000 })).toBe(`${spiffeId}\n`);
  });

  test("throws where the first files are no good", () => {
    folder.fill({ ...first, key: second.key });
    expect(() => identityFromDirectory(folder.path)).toThrow(TlsIdentityError);
  });
});
