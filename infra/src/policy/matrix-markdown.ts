import type { Matrix, ServiceMatrix } from "./matrix.ts";

/** The matrix as the Markdown of `docs/policy.md`. */
export function matrixMarkdown({ scopes, services }: Matrix, source: string): readonly string[] {
  return [
    "# Who may call what",
    "",
    `Printed by \`pnpm zt policy --format markdown\` from the options in the .proto files and ${source}; do not edit.`,
    "A call needs all that one line of its method asks for, on top of mutual TLS, which every call needs. Every credential",
    "has to grant every scope of its line by itself, and all of them have to be the same client's.",
    ...services.flatMap((service) => [...methodSection(service), ...holderSection(service)]),
    "",
    "## Scopes",
    "",
    ...table(
      ["scope", "what it is for"],
      Object.entries(scopes).map(([scope, says]) => [code(scope), says]),
    ),
  ];
}

function methodSection({ service, methods }: ServiceMatrix): readonly string[] {
  const rows = methods.flatMap(({ method, hasSideEffects, rules }) =>
    rules.map(({ credentials, scopes, callers }, rule) => [
      rule === 0 ? code(method) : "",
      rule === 0 ? (hasSideEffects ? "writes" : "reads") : "",
      credentials.join(" + "),
      scopes.map(code).join(" "),
      callers.map(({ client, keys }) => [client, ...keys.map(code)].join(" ")).join(", ") || "nobody",
    ]),
  );
  return ["", `## ${service}`, "", ...table(["method", "does", "asks for", "scopes", "who can call"], rows)];
}

function holderSection({ holders }: ServiceMatrix): readonly string[] {
  const rows = holders.map(({ client, credential, id, scopes, workloads, ended }) => [
    client,
    [credential, ...(id === undefined ? [] : [code(id)]), ...(ended === undefined ? [] : [`(${ended})`])].join(" "),
    scopes.map(code).join(" ") || "none: known, for health checks",
    workloads?.map(code).join(" ") ?? "any workload",
  ]);
  return ["", "Who holds what for it:", "", ...table(["client", "credential", "scopes", "used from"], rows)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

function code(text: string): string {
  return `\`${text}\``;
}
