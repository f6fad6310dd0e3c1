import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clearExtension, clone, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { policy as policyOption } from "@zero-trust/auth/zerotrust/auth/v1/policy_pb.js";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCommands } from "../src/command-line/run-commands.ts";
import { writeDeployment } from "../src/deployment.ts";
import { keysCommands } from "../src/keys/commands.ts";
import { policyCommands } from "../src/policy/commands.ts";
import { declaredState } from "../src/policy/declared.ts";
import type { Matrix } from "../src/policy/matrix.ts";
import { policyProblems } from "../src/policy/policy-problems.ts";
import { services } from "../src/policy/services.ts";
import { type ScratchCommand, scratchCommand } from "./scratch-command.ts";

let scratch: ScratchCommand;
beforeEach(() => {
  scratch = scratchCommand("policy", policyCommands);
  scratch.nowMs = Date.now();
});
afterEach(() => scratch[Symbol.dispose]());

/** Types `pnpm zt keys …` about the deployment in the scratch folder. */
async function keys(line: string): Promise<string> {
  const printed: string[] = [];
  const argv = line.split(" ").map((each) => (each.startsWith("./") ? join(scratch.folder, each) : each));
  const print = (text: string) => void printed.push(text);
  await runCommands("keys", keysCommands, argv, { print, note: () => undefined, now: () => scratch.nowMs });
  return printed.join("\n");
}

async function matrix(line: string): Promise<Matrix> {
  return JSON.parse(await scratch.type(line)) as Matrix;
}

/** Who can call a method by its rules, in their order: `reporting abc…, storefront`. */
function callers({ services }: Matrix, name: string): readonly string[] {
  const found = services.flatMap(({ methods }) => methods).find(({ method }) => method === name);
  return (found?.rules ?? []).map((rule) =>
    rule.callers.map(({ client, keys: its }) => [client, ...its].join(" ")).join(", "),
  );
}

describe("the matrix", () => {
  test("is what docs/policy.md shows", async () => {
    const page = readFileSync(new URL("../../docs/policy.md", import.meta.url), "utf8");
    expect(`${await scratch.type("--format markdown")}\n`).toBe(page);
  });

  test("says who can call each method by which rule", async () => {
    const declared = await matrix("--format json");
    expect(callers(declared, "CreateOrder")).toEqual(["partner, storefront"]);
    expect(callers(declared, "CreatePayment")).toEqual(["order-service"]);
    expect(callers(declared, "GetPayment")).toEqual(["order-service", "order-service, storefront"]);
    expect(callers(declared, "ListTransactions")).toEqual(["reporting", "order-service"]);
  });

  test("fits a terminal", async () => {
    const lines = (await scratch.type("--format table")).split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120);
    expect(lines.find((line) => line.includes("CreatePayment"))).toMatch(
      /^ {2}CreatePayment +writes +MTLS \+ BEARER \+ HMAC +write:payments +order-service$/,
    );
  });

  test("of a deployment counts what is good today, and nothing that is revoked or has ended", async () => {
    await writeDeployment(scratch.folder);
    const json = "--format json --deployment ./";
    const [first = ""] = callers(await matrix(json), "ListTransactions");
    expect(first).toMatch(/^reporting [a-z0-9]{12}$/);
    const audience = "--audience https://payment.production.internal";
    const api = "--file ./payment/api-keys.json";
    await keys(`issue api ${api} ${audience} --client partner --scope read:transactions --expires 1h`);
    expect(callers(await matrix(json), "ListTransactions")[0]).toMatch(/^partner [a-z0-9]{12}, reporting /);
    await keys(`revoke api ${first.split(" ")[1]} ${api}`);
    expect(callers(await matrix(json), "ListTransactions")[0]).toMatch(/^partner [a-z0-9]{12}$/);
    scratch.nowMs += 3_600_000;
    expect(callers(await matrix(json), "ListTransactions")[0]).toBe("");

    const signing = "--file ./payment/signing-keys.json --key-encryption-key ./payment/key-encryption-key";
    const [, signers = ""] = callers(await matrix(json), "GetPayment");
    expect(signers).toMatch(/^order-service hk-\w+, storefront hk-\w+$/);
    await keys(`revoke signing ${signers.split(" ").at(-1)} ${signing}`);
    expect(callers(await matrix(json), "GetPayment")[1]).toMatch(/^order-service hk-\w+$/);

    await keys("revoke client storefront --file ./issuer/clients.json");
    expect(callers(await matrix(json), "CreateOrder")).toEqual(["partner"]);
    await keys(
      "grant client partner --file ./issuer/clients.json --audience https://order.production.internal --scope read:orders",
    );
    expect(callers(await matrix(json), "CreateOrder")).toEqual([""]);
    expect(await scratch.type("--format table --deployment ./")).toMatch(
      /CreateOrder +writes +BEARER +write:orders +nobody/,
    );
    expect(await scratch.type("explain GetPayment --as storefront --with hmac --deployment ./")).toContain(
      "UNAUTHENTICATED CREDENTIAL_INVALID: the signing key is revoked",
    );
  });

  test.each<[string, string, RegExp]>([
    ["a format that is none", "--format xml", /^"xml" is no format; there are table, json and markdown\.$/],
    [
      "a deployment that is not there",
      "--deployment ./nowhere",
      /^There is no deployment in \S+nowhere: it does not exist\.$/,
    ],
    ["a folder that is none", "--deployment ./", /^The grants \S+ cannot be read: it does not exist\.$/],
    ["a word too many", "matrix", /^"matrix" is an argument too many: pnpm zt policy /],
  ])("refuses %s in one sentence", async (_, line, sentence) => {
    expect(await scratch.refusal(line)).toMatch(sentence);
  });
});

describe("explain", () => {
  test.each([
    "/payment.v1.PaymentService/GetPayment",
    "payment.v1.PaymentService/GetPayment",
    "PaymentService/GetPayment",
    "GetPayment",
  ])("finds %s", async (method) => {
    expect(await scratch.type(`explain ${method} --as storefront`)).toMatch(
      /^storefront calls \/payment\.v1\.PaymentService\/GetPayment, presenting its certificate and HMAC\.\n/,
    );
  });

  test("says what a client shall present and does not have", async () => {
    await scratch.type("explain ListTransactions --as order-service --with api_key,bearer");
    expect(scratch.notes).toEqual(["order-service has no API_KEY for https://payment.production.internal."]);
  });

  test("takes what helps, and says what a client has besides", async () => {
    const text = await scratch.type("explain CapturePayment --as order-service");
    expect(text).toContain("OK: let in as order-service, by MTLS + BEARER + HMAC with write:payments");
    const alone = await scratch.type("explain CapturePayment --as order-service --with mtls");
    expect(alone).toContain("presenting its certificate alone.\nIt has besides HMAC, BEARER.");
    expect(alone).toContain("BEARER and HMAC missing");
    expect(JSON.parse(await scratch.type("explain ListOrders --as reporting --json"))).toMatchObject({
      method: "/order.v1.OrderService/ListOrders",
      client: "reporting",
      answer: "OK",
    });
  });

  test.each<[string, string, RegExp]>([
    ["a method", "explain GetPaymnt --as storefront", /^There is no method "GetPaymnt"\. Did you mean "GetPayment"\?$/],
    ["a client", "explain GetPayment --as storefrnt", /^There is no client "storefrnt"\. Did you mean "storefront"\?$/],
    [
      "nobody in particular",
      "explain GetPayment --as zzz",
      /^There is no client "zzz"\. There are order-service, partner, /,
    ],
    [
      "a credential",
      "explain GetPayment --as storefront --with hmca",
      /^"hmca" is no credential; .* Did you mean "hmac"\?$/,
    ],
    [
      "what a call cannot carry",
      "explain GetPayment --as storefront --with hmac,api_key",
      /^An API key and a signature both/,
    ],
    ["no client", "explain GetPayment", /^--as is missing: pnpm zt policy explain METHOD/],
  ])("refuses %s that it does not know in one sentence", async (_, line, sentence) => {
    expect(await scratch.refusal(line)).toMatch(sentence);
  });
});

describe("the check of the policies", () => {
  const [orderService] = services.filter(({ name }) => name === "order");
  if (orderService === undefined) throw new Error("There is no order service.");

  /** A service as it would be generated from a .proto in which one method is without its policy. */
  function withoutPolicy(service: DescService, method: string): DescService {
    const file = clone(FileDescriptorProtoSchema, service.file.proto);
    const options = file.service.flatMap((each) => each.method).find(({ name }) => name === method)?.options;
    if (options === undefined) throw new Error(`${method} has no options.`);
    clearExtension(options, policyOption);
    const known = [...service.file.dependencies];
    for (const each of known) known.push(...each.dependencies.filter((other) => !known.includes(other)));
    const registry = createFileRegistry(file, (name) => known.find(({ proto }) => proto.name === name));
    const found = registry.getService(service.typeName);
    if (found === undefined) throw new Error(`${service.typeName} is gone.`);
    return found;
  }

  test("has nothing to say of those that there are", () => {
    expect(policyProblems([OrderService, PaymentService])).toEqual({ errors: [], warnings: [] });
  });

  test.each(PaymentService.methods.map(({ name }) => name))("goes red when %s has none", (method) => {
    const { errors } = policyProblems([OrderService, withoutPolicy(PaymentService, method)]);
    expect(errors).toEqual([
      `/payment.v1.PaymentService/${method} has no policy: give it the option (zerotrust.auth.v1.policy).`,
    ]);
  });

  test("goes red for a rule that its service has no verifier for", () => {
    const verified = new Set([...orderService.verified].slice(0, 2));
    const { errors } = policyProblems([OrderService], declaredState(), [{ ...orderService, verified }]);
    expect(errors[0]).toMatch(/^The policy of \/order\.v1\.OrderService\/CreateOrder needs BEARER, and /);
  });

  test("goes red for a service that nobody deploys", () => {
    expect(policyProblems([PaymentService], declaredState(), [orderService]).errors).toEqual([
      expect.stringMatching(/^payment\.v1\.PaymentService is not in infra\/src\/policy\/services\.ts/),
    ]);
  });

  test("goes red for a scope that is in no list", () => {
    const { errors } = policyProblems([OrderService], declaredState(), undefined, {
      "read:order": "",
      "write:orders": "",
    });
    expect(errors[0]).toBe(
      '/order.v1.OrderService/GetOrder asks for "read:orders", which is not in infra/grants/scopes.json. Did you mean "read:order"?',
    );
  });

  test("warns of a rule that nobody can meet", () => {
    const { grants, holdings } = declaredState();
    const others = holdings.filter(({ client }) => client !== "reporting");
    const { errors, warnings } = policyProblems([PaymentService], { grants, holdings: others });
    expect(errors).toEqual([]);
    expect(warnings).toEqual([
      "Nobody who is declared can call /payment.v1.PaymentService/ListTransactions by API_KEY with read:transactions.",
    ]);
  });
});
