import { beforeAll, expect, test } from "vitest";
import { type ContainerStack, folders, startContainers } from "../stack/container-stack.ts";
import { docker } from "../stack/containers/docker.ts";

let stack: ContainerStack;
beforeAll(async () => {
  stack = await startContainers();
  return () => stack[Symbol.asyncDispose]();
});

interface Inspected {
  readonly Config: { readonly User: string };
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>>; readonly Ports: unknown };
}

test("every container runs without root, capabilities and a way to gain them, on our internal network alone", async () => {
  const ids = [stack.issuer.id, stack.payment.id, stack.order.id];
  const inspected = JSON.parse(await docker("inspect", ...ids)) as readonly Inspected[];
  expect(inspected).toHaveLength(3);
  for (const { Config, HostConfig, NetworkSettings } of inspected) {
    expect(Config.User).toBe("65532:65532");
    expect(HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      Privileged: false,
      CapAdd: null,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
    });
    expect(Object.keys(NetworkSettings.Networks)).toEqual([stack.network]);
    expect(NetworkSettings.Ports).toEqual({});
  }
  expect(await docker("network", "inspect", "--format", "{{.Internal}}", stack.network)).toBe("true");
});

test("a service can write its data and /tmp, and nothing else", async () => {
  const { payment } = stack;
  const status = 'require("node:fs").readFileSync("/proc/self/status", "utf8")';
  expect(await payment.evaluate("[process.getuid(), process.getgid()]")).toEqual([65_532, 65_532]);
  expect(await payment.evaluate(`${status}.match(/CapBnd:\\s*(\\S+)/)[1]`)).toBe("0000000000000000");

  const write = (path: string) =>
    payment.evaluate(
      `(() => { try { require("node:fs").writeFileSync("${path}", ""); return "written" } catch (e) { return e.code } })()`,
    );
  expect(await write("/app/dist/main.js")).toBe("EROFS");
  expect(await write("/written")).toBe("EROFS");
  expect(await write(`${folders.files}/grants.json`)).toBe("EROFS");
  expect(await write(`${folders.files}/tls/tls.key`)).toBe("EROFS");
  expect(await write("/tmp/written")).toBe("written");
  expect(await write(`${folders.data}/payment/written`)).toBe("written");
});

test("there is no shell to be had, and nothing that could install one", async () => {
  for (const program of ["sh", "bash", "apt-get", "npm"]) {
    // What the engine answers where a program is not there.
    const failure = docker("exec", stack.order.id, program, "--version");
    await expect(failure).rejects.toMatchObject({ code: expect.toBeOneOf([126, 127]) });
  }
});

test("each container says that it is healthy, by mutual TLS with the service's own identity", async () => {
  for (const { id } of [stack.issuer, stack.payment, stack.order]) {
    const health = () => docker("inspect", "--format", "{{.State.Health.Status}}", id);
    await expect.poll(health, { timeout: 60_000, interval: 500 }).toBe("healthy");
  }
  const records = await stack.payment.log();
  expect(records).toContainEqual(
    expect.objectContaining({
      log: "decision",
      method: "/grpc.health.v1.Health/Check",
      outcome: "allowed",
      peer: "spiffe://production.internal/payment-service",
    }),
  );
});
