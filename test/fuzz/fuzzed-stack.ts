import { readFileSync } from "node:fs";
import { constants } from "node:http2";
import { join } from "node:path";
import { Metadata, status } from "@grpc/grpc-js";
import { Credential, policyOf, type Rule, reasonOf } from "@zero-trust/auth";
import { spiffeIdOf, type Workload, workloads } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type AttackAnswer, attacker, type GrpcSession, grpcMessage } from "@zero-trust/testkit";
import type { Stack } from "../stack/stack.ts";
import { pathOf, type ServiceName, type WireCall } from "./made-call.ts";
import type { Surroundings } from "./model.ts";

/** What came of a call: `OK`, code and reason, or `reset PROTOCOL_ERROR` where HTTP/2 itself refused it. */
export interface End {
  readonly outcome: string;
  readonly tookMs: number;
}

/** The deadline of every call, in seconds. */
export const deadlineSeconds = 5;
const methods = [...OrderService.methods, ...PaymentService.methods];
const nobodysPath = "/payment.v1.PaymentService/Refund";

/** The paths that calls are moved to: every method's, and one that there is not. */
export const paths: readonly string[] = [...methods.map(pathOf), nobodysPath];

const rulesByPath = new Map<string, readonly Rule[]>(
  [OrderService, PaymentService].flatMap((service) =>
    policyOf(service).map(({ path, rules }) => [path, rules] as const),
  ),
);

/** Whether a method takes one message, and no more. */
export function takesOneMessage(path: string): boolean {
  const method = methods.find((each) => pathOf(each) === path);
  return method?.methodKind === "unary" || method?.methodKind === "server_streaming";
}

/** What decides about a call of a path; a method that is not there is for whoever has grants. */
export function surroundingsOf(stack: Stack, path: string, service: ServiceName): Surroundings {
  const file = join(stack.deployment.folder, service, "grants.json");
  const { grants } = JSON.parse(readFileSync(file, "utf8")) as {
    readonly grants: readonly {
      readonly spiffeId: string;
      readonly client: string;
      readonly scopes: readonly string[];
    }[];
  };
  const of = (workload: Workload) => grants.find(({ spiffeId }) => spiffeId === spiffeIdOf(workload));
  const entries = workloads.flatMap((workload) => {
    const grant = of(workload);
    return grant === undefined ? [] : [[workload, grant] as const];
  });
  const rules = rulesByPath.get(path) ?? [{ credentials: [Credential.MTLS], scopes: [] }];
  return { rules, grants: new Map(entries) };
}

/** Connections to the services of a stack, one a workload and service, each made again where the service had enough of it. */
export class FuzzedStack implements Disposable {
  readonly #stack: Stack;
  readonly #opened = new DisposableStack();
  readonly #sessions = new Map<string, Promise<GrpcSession>>();

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  async call({ as, service, path, headers, messages }: WireCall): Promise<End> {
    const session = await this.#sessionOf(service, as);
    const body = messages.map((message) => grpcMessage(message));
    const answer = await session.call({ path, headers: [["grpc-timeout", `${deadlineSeconds}S`], ...headers], body });
    return { outcome: outcomeOf(answer), tookMs: answer.tookMs };
  }

  #sessionOf(service: ServiceName, as: Workload): Promise<GrpcSession> {
    const name = `${service} ${as}`;
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    const folder = this.#stack.deployment.tlsFolder(as);
    const file = (name: string) => readFileSync(join(folder, name), "utf8");
    const target = {
      host: "127.0.0.1",
      port: this.#stack[service].port,
      tls: { cert: file("tls.crt"), key: file("tls.key") },
    };
    const attack = this.#opened.adopt(attacker(target), (it) => it.close());
    const opening = attack.session();
    this.#sessions.set(name, opening);
    void opening.then(async (session) => {
      await session.closed;
      this.#sessions.delete(name);
    });
    return opening;
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}

function outcomeOf({ status: code, resetCode, headers }: AttackAnswer): string {
  if (code === undefined) {
    const [name] =
      Object.entries(constants).find(
        ([key, value]) => /^NGHTTP2_(?!ERR_).*(?:ERROR|CANCEL|REFUSED_STREAM|CALM)$/.test(key) && value === resetCode,
      ) ?? [];
    return `reset ${name?.slice("NGHTTP2_".length) ?? resetCode}`;
  }
  const details = headers["grpc-status-details-bin"];
  const metadata = new Metadata();
  if (typeof details === "string") metadata.set("grpc-status-details-bin", Buffer.from(details, "base64"));
  const reason = reasonOf({ metadata });
  return [status[code], ...(reason === undefined ? [] : [reason])].join(" ");
}
