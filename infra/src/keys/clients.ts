import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { minute } from "../command-line/table.ts";
import { type ClientAuthentication, type ClientEntry, clientsFileAt, newCredential } from "./client-entry.ts";
import { audienceOf, clientOf, iso, options, overlapEnd, refuseEnded, rotated, scopesOf, spiffeId } from "./fields.ts";
import { handOver } from "./hand-over.ts";
import { changeEntries, entryOf, readEntries } from "./key-file.ts";
import { type ListedKey, printKeys } from "./key-lines.ts";
import { standing } from "./standing.ts";

const ways: readonly ClientAuthentication[] = ["tls_client_auth", "client_secret_basic", "private_key_jwt"];
const file = { value: "FILE", says: "the issuer's clients file" };
const publicKey = {
  value: "FILE",
  says: "a public JWK of the client's own, for private_key_jwt; one is made, unless given",
};
const one = { min: 1, max: 1 };

/** The commands for clients of the issuer. */
export const clientCommands: Commands = {
  "issue client": {
    usage: "CLIENT --file FILE --workload SPIFFE-ID --authentication WAY --audience URL --scope SCOPE…",
    says: "Registers a client, and prints its secret or private key once, where it has one",
    options: {
      file: { ...file, says: `${file.says}; made when it is not there` },
      workload: { value: "SPIFFE-ID", says: "the workload that it is, as its certificate says" },
      authentication: { value: "WAY", says: ways.join(", ") },
      audience: options.audience,
      scope: { ...options.scope, says: "what it may get tokens for there" },
      "public-key": publicKey,
      out: options.out,
      json: options.json,
    },
    positionals: one,
    run: issue,
  },
  "list client": {
    usage: "--file FILE [--used FILE] [--json]",
    says: "Lists the clients of the issuer, without their secrets",
    options: { file, used: options.used, json: options.json },
    positionals: { min: 0, max: 0 },
    run: async (args, surroundings) => {
      const entries = readEntries(await clientsFileAt(args.required("file")));
      printKeys(
        args,
        surroundings,
        entries.map((entry) => listed(entry, surroundings.now())),
      );
    },
  },
  "rotate client": {
    usage: "CLIENT --file FILE [--overlap 24h] [--public-key FILE]",
    says: "Gives a client a second secret or key; the first ends when the overlap is over",
    options: { file, overlap: options.overlap, "public-key": publicKey, out: options.out, json: options.json },
    positionals: one,
    run: rotate,
  },
  "revoke client": {
    usage: "CLIENT --file FILE",
    says: "Revokes a client: it gets no token, and the tokens that it has are refused",
    options: { file },
    positionals: one,
    run: revoke,
  },
  "grant client": {
    usage: "CLIENT --file FILE --audience URL (--scope SCOPE… | --none)",
    says: "Says anew which scopes a client may get tokens for at an audience",
    options: {
      file,
      audience: options.audience,
      scope: { ...options.scope, says: "what it may get tokens for there, and nothing else" },
      none: { says: "it may get no token for this audience" },
    },
    positionals: one,
    run: grant,
  },
};

async function issue(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const clientId = clientOf(args.positionals[0] ?? "");
  const clients = await clientsFileAt(args.required("file"));
  const authentication = wayOf(args);
  const { secret, secretEntry, keyEntry } = await newCredential(authentication, {
    publicKey: args.text("public-key"),
    nowMs,
  });
  const entry: ClientEntry = {
    clientId,
    spiffeId: spiffeId(args.required("workload")),
    authentication,
    ...(secretEntry === undefined ? {} : { secrets: [secretEntry] }),
    ...(keyEntry === undefined ? {} : { keys: [keyEntry] }),
    createdAt: iso(nowMs),
    audiences: { [audienceOf(args, surroundings)]: scopesOf(args, surroundings) },
  };
  const [[audience, scopes] = ["", []]] = Object.entries(entry.audiences);
  const says = [`${clientId} may get tokens for ${scopes.join(" ")} at ${audience}, and is in ${clients.path}.`];
  const register = () =>
    changeEntries(clients, { create: true }, (entries) => {
      if (!entries.some((each) => idOf(each) === clientId)) return [...entries, entry];
      throw new CommandError(`${clientId} is in ${clients.path} already; grant, rotate or revoke it.`);
    });
  await conclude(args, surroundings, { clientId, authentication, secret, says }, register);
}

async function rotate(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const [clientId = ""] = args.positionals;
  const clients = await clientsFileAt(args.required("file"));
  const until = overlapEnd(args, nowMs);
  const { authentication } = entryOf(readEntries(clients), clientId, idOf, clients);
  if (authentication === "tls_client_auth") {
    throw new CommandError(`${clientId} proves itself by its certificate alone; pnpm zt pki renew gives it a new one.`);
  }
  const { secret, secretEntry, keyEntry } = await newCredential(authentication, {
    publicKey: args.text("public-key"),
    nowMs,
  });
  const says = [`${clientId} has a second ${noun(authentication)}; the first ends at ${minute(until)}.`];
  const register = () =>
    changeEntries(clients, { create: false }, (entries) => {
      const old = entryOf(entries, clientId, idOf, clients);
      refuseEnded(clientId, old, nowMs);
      const next = {
        ...old,
        ...(secretEntry === undefined
          ? {}
          : { secrets: rotated(clientId, old.secrets ?? [], secretEntry, { until, nowMs }) }),
        ...(keyEntry === undefined ? {} : { keys: rotated(clientId, old.keys ?? [], keyEntry, { until, nowMs }) }),
      };
      return entries.map((each) => (each === old ? next : each));
    });
  await conclude(args, surroundings, { clientId, authentication, secret, says }, register);
}

async function revoke(args: Args, { note, now }: Surroundings): Promise<void> {
  const [clientId = ""] = args.positionals;
  const clients = await clientsFileAt(args.required("file"));
  let already: string | undefined;
  await changeEntries(clients, { create: false }, (entries) => {
    const old = entryOf(entries, clientId, idOf, clients);
    already = old.revokedAt;
    return entries.map((each) => (each === old ? { ...old, revokedAt: old.revokedAt ?? iso(now()) } : each));
  });
  note(
    already === undefined
      ? `${clientId} is revoked; the issuer refuses it within seconds, and services the tokens that it has within 30.`
      : `${clientId} is revoked since ${minute(already)}.`,
  );
}

async function grant(args: Args, surroundings: Surroundings): Promise<void> {
  const [clientId = ""] = args.positionals;
  const clients = await clientsFileAt(args.required("file"));
  const audience = audienceOf(args, surroundings);
  if (args.flag("none") && args.list("scope").length > 0) throw new CommandError("Say --scope or --none, not both.");
  const scopes = args.flag("none") ? [] : scopesOf(args, surroundings);
  await changeEntries(clients, { create: false }, (entries) => {
    const old = entryOf(entries, clientId, idOf, clients);
    const { [audience]: _, ...others } = old.audiences;
    const audiences = { ...others, ...(scopes.length === 0 ? {} : { [audience]: scopes }) };
    return entries.map((each) => (each === old ? { ...old, audiences } : each));
  });
  const what = scopes.length === 0 ? "no tokens" : `tokens for ${scopes.join(" ")}`;
  surroundings.note(`${clientId} may get ${what} at ${audience}.`);
  surroundings.note("A token that it has stays good until it expires.");
}

async function conclude(
  args: Args,
  surroundings: Surroundings,
  done: {
    readonly clientId: string;
    readonly authentication: ClientAuthentication;
    readonly secret: string | undefined;
    readonly says: readonly string[];
  },
  register: () => Promise<void>,
): Promise<void> {
  const { secret, clientId, authentication, says } = done;
  if (secret !== undefined) {
    const facts = { clientId, authentication };
    await handOver(args, surroundings, { secret, what: `client's ${noun(authentication)}`, facts, says }, register);
    return;
  }
  if (args.text("out") !== undefined) throw new CommandError("There is no secret to write to --out.");
  await register();
  for (const line of says) surroundings.note(line);
  if (authentication === "tls_client_auth") surroundings.note("Its certificate proves who it is; there is no secret.");
}

function listed({ clientId, spiffeId: workload, secrets, keys, ...entry }: ClientEntry, nowMs: number): ListedKey {
  const own = secrets ?? keys ?? [{}];
  return { ...entry, id: clientId, workloads: [workload], ...standing(entry, own, nowMs) };
}

function noun(authentication: ClientAuthentication): string {
  return authentication === "private_key_jwt" ? "private key" : "secret";
}

function idOf({ clientId }: ClientEntry): string {
  return clientId;
}

function wayOf(args: Args): ClientAuthentication {
  const text = args.required("authentication");
  const way = ways.find((each) => each === text);
  if (way === undefined) throw new CommandError(`"${text}" is no way to authenticate; there are ${ways.join(", ")}.`);
  return way;
}
