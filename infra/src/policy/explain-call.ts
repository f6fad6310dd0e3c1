import { Credential, type MethodPolicy, policyOf } from "@zero-trust/auth";
import { nameOf } from "@zero-trust/auth/explain";
import { CommandError } from "../command-line/command-error.ts";
import { didYouMean } from "../command-line/nearest.ts";
import { clientsOf, type Holders, type Holding } from "./holders.ts";
import { type PolicedService, services } from "./services.ts";
import { type PossibleCall, type Presented, possibleCalls } from "./ways-in.ts";

const kinds: Readonly<Record<string, Presented | undefined>> = {
  api_key: Credential.API_KEY,
  bearer: Credential.BEARER,
  hmac: Credential.HMAC,
  // The certificate is always there; to name it alone is to present nothing else.
  mtls: undefined,
};

/** A method of a service, found by what was typed. */
export interface FoundMethod {
  readonly service: PolicedService;
  readonly method: MethodPolicy;
}

/**
 * Finds a method by `/package.Service/Method`, `Service/Method`, or its own name where one service alone has it.
 *
 * @throws {CommandError} when there is none, or several
 */
export function findMethod(typed: string): FoundMethod {
  const all = services.flatMap((service) => policyOf(service.descriptor).map((method) => ({ service, method })));
  const wanted = typed.replace(/^\//, "");
  const found = all.filter(({ method: { path } }) => {
    const full = path.slice(1);
    return full === wanted || full.endsWith(`.${wanted}`) || full.endsWith(`/${wanted}`);
  });
  const [one, another] = found;
  if (one === undefined) {
    const names = all.map(({ method }) => method.path.split("/")[2] ?? "");
    const near = didYouMean(wanted.split("/").at(-1) ?? "", [...new Set(names)]);
    throw new CommandError(`There is no method "${typed}".${near || " pnpm zt policy lists them."}`);
  }
  if (another !== undefined) {
    throw new CommandError(`"${typed}" is in several services: ${found.map(({ method }) => method.path).join(", ")}.`);
  }
  return one;
}

/**
 * What would come of a client's call.
 *
 * @param presented - the kinds of credentials that it presents besides its certificate; unless given, what it has and the method
 *   asks for
 */
export function explainCall(
  { service, method }: FoundMethod,
  options: { readonly client: string; readonly presented: readonly Presented[] | undefined; readonly holders: Holders },
): PossibleCall {
  const { client, presented, holders } = options;
  const clients = clientsOf(holders);
  if (!clients.includes(client)) {
    throw new CommandError(
      `There is no client "${client}".${didYouMean(client, clients) || ` There are ${clients.join(", ")}.`}`,
    );
  }
  const named = new Set(method.rules.flatMap((rule) => rule.credentials));
  const held = heldKinds(client, service, holders).filter((kind) => named.has(kind));
  // An API key and a signature stand in the same metadata key, so a call carries one of them.
  const alternatives = [Credential.HMAC, Credential.API_KEY].filter((kind) => held.includes(kind));
  const choices =
    presented !== undefined
      ? [presented]
      : alternatives.length < 2
        ? [held]
        : alternatives.map((other) => held.filter((kind) => kind !== other));
  const calls = choices.flatMap((choice) => possibleCalls(method, { client, kinds: choice, service, holders }));
  const call = calls.find(({ explanation }) => explanation.decision.outcome === "allowed") ?? calls[0];
  if (call === undefined) throw new CommandError(`${client} can make no such call.`);
  return call;
}

/** The kinds of credentials that `--with` names. */
export function presentedKinds(text: string): readonly Presented[] {
  const names = text.split(",");
  const chosen = names.map((name) => {
    if (!Object.hasOwn(kinds, name)) {
      throw new CommandError(
        `"${name}" is no credential; there are ${Object.keys(kinds).join(", ")}.${didYouMean(name, Object.keys(kinds))}`,
      );
    }
    return kinds[name];
  });
  const given = [...new Set(chosen.filter((kind) => kind !== undefined))];
  if (given.includes(Credential.API_KEY) && given.includes(Credential.HMAC)) {
    throw new CommandError("An API key and a signature both stand in x-api-key; a call carries one of them.");
  }
  return given;
}

/** What would come of a call, as people read it. */
export function explanationLines(
  { service, method }: FoundMethod,
  call: PossibleCall,
  holders: Holders,
): readonly string[] {
  const { client, holdings, explanation } = call;
  const presents = holdings.map(nameHolding).join(" and ");
  const unused = holders.holdings.filter(
    (each) => each.client === client && each.audience === service.audience && !holdings.includes(each),
  );
  return [
    `${client} calls ${method.path}, presenting ${presents === "" ? "its certificate alone" : `its certificate and ${presents}`}.`,
    ...(unused.length === 0 ? [] : [`It has besides ${unused.map(nameHolding).join(", ")}.`]),
    ...explanation.steps.flatMap(({ title, lines }, index) => [
      "",
      `${index + 1}. ${title}`,
      ...lines.map((line) => `   ${line}`),
    ]),
  ];
}

/** `API_KEY n3x…`, with what is wrong with it. */
function nameHolding({ credential, id, ended }: Holding): string {
  return [nameOf(credential), id, ended === undefined ? undefined : `(${ended})`]
    .filter((each) => each !== undefined)
    .join(" ");
}

function heldKinds(client: string, service: PolicedService, { holdings }: Holders): readonly Presented[] {
  const good = holdings.filter(
    (each) => each.client === client && each.audience === service.audience && each.ended === undefined,
  );
  return [...new Set(good.map(({ credential }) => credential))];
}
