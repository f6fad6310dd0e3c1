import { status } from "@grpc/grpc-js";
import { type AttackAnswer, type Attacker, attacker } from "@zero-trust/testkit";
import type { Stack } from "../stack/stack.ts";
import { type Showing, shownBy } from "./showing.ts";

/** What is shown by whoever is attacking: text, and never a key of OpenSSL's. */
type Pem = Readonly<Record<"cert" | "key", string>>;

/** A client without manners, of one service, as whoever; nothing is shown unless given. */
export function attackerOf(stack: Stack, service: "order" | "payment", as?: Showing): Attacker {
  const target = { host: "127.0.0.1", port: stack[service].port };
  if (as === undefined) return attacker(target);
  return attacker({ ...target, tls: shownBy(stack, as) as Pem });
}

/** What an answer is to its caller: the name of its status, or that the call or its connection was closed without one. */
export function statusIn(answer: Pick<AttackAnswer, "status">): string {
  return answer.status === undefined ? "closed" : (status[answer.status] ?? String(answer.status));
}
