import { dnsName, dnsSan, TlsIdentityError } from "@zero-trust/mtls";
import { z } from "zod";
import type { Outcome } from "./comparison.ts";
import { NotPresentable } from "./rekeyable-certificate.ts";
import { rekeyedChain } from "./rekeyed-chain.ts";
import { shownToOurClient } from "./shown-to-our-client.ts";
import { shownToOurServer } from "./shown-to-our-server.ts";
import { vectorFile } from "./vector-file.ts";

const pem = z.string();
/** Older files say `null` where newer ones have an empty list, or leave the member out. */
const list = <T extends z.ZodType>(of: T) => z.array(of).nullish();
const peerName = z.object({ kind: z.string(), value: z.string() });
const testcase = z.object({
  id: z.string(),
  description: z.string(),
  validation_kind: z.enum(["CLIENT", "SERVER"]),
  trusted_certs: z.array(pem),
  untrusted_intermediates: z.array(pem),
  peer_certificate: pem,
  validation_time: z.string().nullish(),
  signature_algorithms: list(z.string()),
  key_usage: list(z.string()),
  extended_key_usage: list(z.string()),
  expected_result: z.enum(["SUCCESS", "FAILURE"]),
  expected_peer_name: peerName.nullish(),
  expected_peer_names: list(peerName),
  max_chain_depth: z.number().nullish(),
  crls: list(z.string()),
});
const file = z.object({ version: z.literal(1), testcases: z.array(testcase) });

/** A case of x509-limbo. */
type Testcase = z.infer<typeof testcase>;

/** Which of our two ends a case's certificate is shown to. */
export type OurEnd = "client" | "server";

/**
 * Runs x509-limbo's cases: the certificates, with keys of ours, are shown to our client as a server's, or to our server as a client's,
 * over real TLS. Nearly all cases are about a server's certificate; for our server they are turned round.
 *
 * @returns undefined where there is no such file
 */
export async function limbo(path: string, end: OurEnd): Promise<readonly Outcome[] | undefined> {
  const cases = vectorFile(path, file)?.testcases;
  if (cases === undefined) return undefined;
  const outcomes: Outcome[] = [];
  for (const each of cases) {
    const { id, expected_result: result, validation_kind: kind } = each;
    const theirs = result === "SUCCESS" ? "valid" : "invalid";
    outcomes.push({ id, comment: `about a ${kind.toLowerCase()}`, theirs, ours: await verdict(each, end) });
  }
  return outcomes;
}

async function verdict(testcase: Testcase, end: OurEnd): Promise<string> {
  try {
    const name = expectedName(testcase);
    const time = testcase.validation_time;
    const chain = rekeyedChain(
      {
        trusted: testcase.trusted_certs,
        untrusted: testcase.untrusted_intermediates,
        leaf: testcase.peer_certificate,
      },
      {
        atMs: typeof time === "string" ? Date.parse(time) : undefined,
        nowMs: Date.now(),
        turned: (testcase.validation_kind === "SERVER") !== (end === "client"),
      },
    );
    const complaint = await (end === "client" ? shownToOurClient(chain, name) : shownToOurServer(chain, name));
    return complaint === undefined ? "accepted" : `refused: ${complaint}`;
  } catch (error) {
    if (error instanceof NotPresentable) return `not compared: ${error.message}`;
    // Who trusts such a root is told at the start.
    if (error instanceof TlsIdentityError) return `refused: at the start: ${error.message}`;
    throw error;
  }
}

/** The DNS name that the peer has to have. What a case asks for that neither of our ends can be asked is not compared. */
function expectedName(testcase: Testcase): string {
  const { validation_kind: kind, expected_peer_name: one, expected_peer_names: several } = testcase;
  const use = kind === "SERVER" ? "serverAuth" : "clientAuth";
  if ((testcase.crls ?? []).length > 0) throw new NotPresentable("it has revocation lists, which its keys have signed");
  if ((testcase.signature_algorithms ?? []).length > 0) throw new NotPresentable("it limits signature algorithms");
  if ((testcase.key_usage ?? []).length > 0) throw new NotPresentable("it limits key usages");
  if ((testcase.extended_key_usage ?? []).some((each) => each !== use)) {
    throw new NotPresentable("it is about another use than TLS's");
  }
  if (typeof testcase.max_chain_depth === "number") throw new NotPresentable("it limits the depth of the chain");
  const [name, ...others] = one === null || one === undefined ? (several ?? []) : [one];
  if (name === undefined || others.length > 0) throw new NotPresentable("it names no peer, or several");
  if (name.kind !== "DNS") throw new NotPresentable("it names a peer by something else than a DNS name");
  try {
    dnsName(name.value);
    dnsSan(name.value.slice(name.value.indexOf(".") + 1));
  } catch {
    throw new NotPresentable("it names a peer by what is not a DNS name in lower case");
  }
  return name.value;
}
