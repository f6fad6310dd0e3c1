import { readFileSync } from "node:fs";
import type { DescService } from "@bufbuild/protobuf";
import { Credential, policyOf, type Rule } from "@zero-trust/auth";
import { type Grants, parseGrants } from "@zero-trust/auth/server";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";

const services: readonly (readonly [string, DescService])[] = [
  ["order", OrderService],
  ["payment", PaymentService],
];

/** The policies of all services and the grants of the deployment, as the Markdown of `docs/policy.md`. */
export function policyPage(): string {
  return [
    "# Who may call what",
    "",
    "Printed by `pnpm zt policy` from the options in the .proto files and the grants in `infra/grants`; do not edit.",
    "A call needs all that one line of its method asks for, on top of mutual TLS, which every call needs.",
    ...services.flatMap(([name, service]) => [...policySection(service), ...grantsSection(name)]),
    "",
  ].join("\n");
}

function policySection(service: DescService): string[] {
  const rows = policyOf(service).flatMap(({ path, rules }) =>
    rules.map((rule, index) => `| ${index === 0 ? `\`${path.split("/")[2]}\`` : ""} | ${describe(rule)} |`),
  );
  return ["", `## ${service.typeName}`, "", "| method | credentials | scopes |", "| --- | --- | --- |", ...rows];
}

function describe({ credentials, scopes }: Rule): string {
  const names = credentials.map(
    (credential) => Object.entries(Credential).find(([, value]) => value === credential)?.[0],
  );
  return `${names.join(" + ")} | ${scopes.map((scope) => `\`${scope}\``).join(" ")}`;
}

function grantsSection(name: string): string[] {
  const rows = [...readGrants(name)].map(([spiffeId, { client, scopes }]) => {
    const held = [...scopes].map((scope) => `\`${scope}\``).join(" ");
    return `| \`${spiffeId}\` | ${client} | ${held === "" ? "none: known, for health checks" : held} |`;
  });
  return ["", "By certificate:", "", "| SPIFFE ID | client | scopes |", "| --- | --- | --- |", ...rows];
}

function readGrants(name: string): Grants {
  return parseGrants(JSON.parse(readFileSync(new URL(`../grants/${name}.json`, import.meta.url), "utf8")));
}
