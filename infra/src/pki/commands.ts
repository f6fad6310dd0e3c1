import { resolve } from "node:path";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { minute } from "../command-line/table.ts";
import { type Distributed, foldersInUse } from "./distribute.ts";
import { initPki } from "./init.ts";
import { issue, type Renewal, renew } from "./issue.ts";
import { type CaRecord, readIndex } from "./pki-index.ts";
import { type Place, rootKeyFolder } from "./place.ts";
import { reissueLists } from "./reissue-lists.ts";
import { type RevocationReason, revocationReasons } from "./revocation-list.ts";
import { revoke } from "./revoke.ts";
import { beginRotation, finishRotation, reissue } from "./rotate-ca.ts";
import { showFolder, showPki } from "./show.ts";
import { certificateLines, pkiLines } from "./show-lines.ts";

const HOUR_MS = 3_600_000;
const dir = { value: "PKI", says: "the folder of the PKI" };
const rootKeys = { value: "FOLDER", says: "where the keys of the roots are, default PKI/root-keys" };
const hours = { value: "N", says: "how long the certificate is good" };
const days = { value: "N", says: "the same in days" };
const any = Number.POSITIVE_INFINITY;

/** The commands of `pnpm zt pki`, in the order in which one meets them. */
export const pkiCommands: Commands = {
  init: {
    usage: "--dir PKI [--trust-domain production.internal]",
    says: "Makes a root, an intermediate, their keys and empty revocation lists",
    options: {
      dir: { value: "PKI", says: "a folder that is not there yet, or empty" },
      "trust-domain": { value: "NAME", says: "the trust domain, default production.internal" },
      "root-keys": rootKeys,
    },
    positionals: { min: 0, max: 0 },
    run: runInit,
  },
  issue: {
    usage: "WORKLOAD --dir PKI --out FOLDER [--dns NAME]… [--hours 24]",
    says: "Issues a certificate: tls.crt, tls.key, ca.crt and ca.crl, in a folder of their own",
    options: {
      dir,
      out: { value: "FOLDER", says: "where the files go; made when it is not there" },
      dns: { value: "NAME", many: true, says: "a DNS name besides WORKLOAD.TRUST-DOMAIN" },
      hours: { ...hours, says: `${hours.says}, default 24` },
      days,
      "root-keys": rootKeys,
    },
    positionals: { min: 1, max: 1 },
    run: runIssue,
  },
  renew: {
    usage: "FOLDER… --dir PKI [--force], or --all --dir PKI",
    says: "Gives folders a new key and certificate for the same workload, when half of the old one's life is over",
    options: {
      dir,
      all: { says: "every folder that the PKI has written" },
      force: { says: "now, however young the certificate is, and though it was revoked" },
      hours: { ...hours, says: `${hours.says}, default as long as before` },
      days,
      "root-keys": rootKeys,
    },
    positionals: { min: 0, max: any },
    run: runRenew,
  },
  revoke: {
    usage: "SERIAL|FOLDER --dir PKI [--reason key-compromise]",
    says: "Revokes a certificate, or all that a folder has had, and writes the new list into every folder",
    options: {
      dir,
      reason: { value: "REASON", says: `${Object.keys(revocationReasons).join(", ")}; default privilege-withdrawn` },
      "root-keys": { ...rootKeys, says: `${rootKeys.says}; needed to revoke an intermediate` },
    },
    positionals: { min: 1, max: 1 },
    run: runRevoke,
  },
  crl: {
    usage: "--dir PKI [--out FOLDER]…",
    says: "Signs the revocation lists anew, before they end, and writes them into every folder",
    options: {
      dir,
      out: { value: "FOLDER", many: true, says: "one more folder, which gets ca.crl alone" },
      "root-keys": { ...rootKeys, says: `${rootKeys.says}; without them the roots' lists stay` },
    },
    positionals: { min: 0, max: 0 },
    run: runCrl,
  },
  "rotate-ca": {
    usage: "[--reissue | --finish] --dir PKI",
    says: "Replaces root and intermediate in three steps, in none of which a call fails",
    options: {
      dir,
      reissue: { says: "step 2: the new CA signs, and every folder gets a certificate of it" },
      finish: { says: "step 3: the old root is no longer trusted, its keys are deleted" },
      force: { says: "finish though certificates of the old CA are in use" },
      "root-keys": rootKeys,
    },
    positionals: { min: 0, max: 0 },
    run: runRotateCa,
  },
  show: {
    usage: "FOLDER | --dir PKI [--all] [--json]",
    says: "Shows certificates: whose, from when to when, revoked or not, signed by whom",
    options: {
      dir,
      all: { says: "those that have ended, too" },
      json: { says: "for programs" },
    },
    positionals: { min: 0, max: 1 },
    run: runShow,
  },
};

async function runInit(args: Args, { print, now }: Surroundings): Promise<void> {
  const place = placeOf(args);
  const trustDomain = args.text("trust-domain") ?? "production.internal";
  const { authorities } = await initPki(place, { trustDomain, nowMs: now() });
  print(`A PKI for ${trustDomain} is in ${place.pki}:`);
  for (const { root, intermediate } of authorities) for (const ca of [root, intermediate]) print(`  ${caLine(ca)}`);
  print(`The root's key is in ${rootKeyFolder(place)}; take it offline until crl or rotate-ca asks for it.`);
  print(`Next: pnpm zt pki issue order-service --dir ${place.pki} --out FOLDER`);
}

async function runIssue(args: Args, { print, now }: Surroundings): Promise<void> {
  const [workload = ""] = args.positionals;
  const { certificate, notes } = await issue(placeOf(args), {
    workload,
    folder: args.required("out"),
    dns: args.list("dns"),
    lifeMs: lifeMsOf(args) ?? 24 * HOUR_MS,
    nowMs: now(),
  });
  print(`${workload} has a certificate until ${minute(certificate.to)} in ${certificate.folder}.`);
  print(`  serial ${certificate.serial}, DNS ${certificate.dns.join(" ")}`);
  for (const note of notes) print(note);
}

async function runRenew(args: Args, { print, now }: Surroundings): Promise<void> {
  const place = placeOf(args);
  if (args.flag("all") === args.positionals.length > 0) {
    throw new CommandError("Name the folders to renew, or say --all.");
  }
  const folders = args.flag("all") ? foldersInUse(readIndex(place.pki)) : args.positionals;
  const lifeMs = lifeMsOf(args);
  const options = { force: args.flag("force"), nowMs: now(), ...(lifeMs === undefined ? {} : { lifeMs }) };
  const results = [];
  for (const folder of folders) results.push({ folder: resolve(folder), renewal: await renew(place, folder, options) });
  reportRenewals(results, print);
}

async function runRevoke(args: Args, { print, now }: Surroundings): Promise<void> {
  const place = placeOf(args);
  const [what = ""] = args.positionals;
  const reason = args.text("reason") ?? "privilege-withdrawn";
  if (!isReason(reason)) {
    throw new CommandError(`"${reason}" is no reason; there are ${Object.keys(revocationReasons).join(", ")}.`);
  }
  const { revoked, notes, ...distributed } = await revoke(place, what, { reason, nowMs: now() });
  for (const name of revoked) print(`Revoked ${name}.`);
  if (revoked.length === 0) print("It was revoked already.");
  reportFolders(distributed, "the new list", print);
  for (const note of notes) print(note);
  refuseFailures(distributed);
}

async function runCrl(args: Args, { print, now }: Surroundings): Promise<void> {
  const place = placeOf(args);
  const { index, notes, ...distributed } = await reissueLists(place, { out: args.list("out"), nowMs: now() });
  for (const { name, crl } of index.authorities.flatMap(({ root, intermediate }) => [root, intermediate])) {
    print(`The list of ${name} is number ${crl.number}, good until ${minute(crl.to)}.`);
  }
  reportFolders(distributed, "the lists", print);
  for (const note of notes) print(note);
  refuseFailures(distributed);
}

async function runRotateCa(args: Args, { print, now }: Surroundings): Promise<void> {
  const place = placeOf(args);
  const next = (step: string) => `When every process has loaded that: pnpm zt pki rotate-ca ${step} --dir ${place.pki}`;
  if (args.flag("reissue") && args.flag("finish")) throw new CommandError("One step at a time: --reissue or --finish.");
  if (args.flag("reissue")) {
    reportRenewals(await reissue(place, now()), print);
    print(next("--finish"));
    return;
  }
  if (args.flag("finish")) {
    const distributed = await finishRotation(place, { force: args.flag("force"), nowMs: now() });
    reportFolders(distributed, "the new root alone", print);
    print("The keys of the old CA are deleted here; destroy the copies that are elsewhere.");
    refuseFailures(distributed);
    return;
  }
  const { authority, notes, ...distributed } = await beginRotation(place, now());
  print("A new CA is ready; the old one goes on signing:");
  for (const ca of [authority.root, authority.intermediate]) print(`  ${caLine(ca)}`);
  reportFolders(distributed, "both roots", print);
  for (const note of notes) print(note);
  refuseFailures(distributed);
  print(next("--reissue"));
}

async function runShow(args: Args, { print, now }: Surroundings): Promise<void> {
  const [folder] = args.positionals;
  const pki = args.text("dir");
  if ((folder === undefined) === (pki === undefined)) throw new CommandError("Name a folder to show, or --dir PKI.");
  const shown =
    folder !== undefined
      ? showFolder(resolve(folder), now())
      : showPki(readIndex(resolve(pki ?? "")), { all: args.flag("all"), nowMs: now() });
  if (args.flag("json")) print(JSON.stringify(shown, null, 2));
  else for (const line of "authorities" in shown ? pkiLines(shown) : certificateLines([shown])) print(line);
}

function reportRenewals(
  results: readonly { readonly folder: string; readonly renewal: Renewal }[],
  print: (line: string) => void,
): void {
  const failures: string[] = [];
  const notes = new Set<string>();
  for (const { folder, renewal } of results) {
    if (renewal.outcome === "failed") {
      failures.push(renewal.why);
      continue;
    }
    const { workload, serial, from, to } = renewal.certificate;
    if (renewal.outcome === "renewed") {
      print(`${workload} has a new certificate until ${minute(to)} in ${folder}, serial ${serial}.`);
      for (const note of renewal.notes) notes.add(note);
    } else {
      const half = new Date((Date.parse(from) + Date.parse(to)) / 2).toISOString();
      print(`${workload} in ${folder} is not due before ${minute(half)}.`);
    }
  }
  if (results.length === 0) print("No folder needs a certificate.");
  for (const note of notes) print(note);
  if (failures.length > 0) throw new CommandError(failures.join("\n"));
}

function reportFolders({ written, passedOver }: Distributed, what: string, print: (line: string) => void): void {
  const many = (count: number) => `${count} ${count === 1 ? "folder" : "folders"}`;
  print(`${many(written.length)} got ${what}.`);
  for (const folder of passedOver) print(`Passed over ${folder}, which has no certificate of this PKI any more.`);
}

function refuseFailures({ failures }: Distributed): void {
  if (failures.length > 0)
    throw new CommandError([...failures, "Mend that and run crl, which writes them again."].join("\n"));
}

function caLine({ name, serial, to }: CaRecord): string {
  return `${name}, until ${to.slice(0, 10)}, serial ${serial}`;
}

function placeOf(args: Args): Place {
  const keys = args.text("root-keys");
  return { pki: resolve(args.required("dir")), ...(keys === undefined ? {} : { rootKeys: resolve(keys) }) };
}

function lifeMsOf(args: Args): number | undefined {
  const inHours = args.count("hours");
  const inDays = args.count("days");
  if (inHours !== undefined && inDays !== undefined) throw new CommandError("Say --hours or --days, not both.");
  const all = inHours ?? (inDays === undefined ? undefined : inDays * 24);
  return all === undefined ? undefined : all * HOUR_MS;
}

function isReason(text: string): text is RevocationReason {
  return Object.hasOwn(revocationReasons, text);
}
