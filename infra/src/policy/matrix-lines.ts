import { columns } from "../command-line/table.ts";
import type { Matrix, ServiceMatrix } from "./matrix.ts";

/** The matrix as people read it in a terminal. */
export function matrixLines({ services }: Matrix): readonly string[] {
  return services.flatMap((service, index) => [
    ...(index === 0 ? [] : [""]),
    service.service,
    "",
    ...indented(columns([["method", "does", "asks for", "scope", "who can call"], ...methodRows(service)])),
    "",
    ...indented(columns([["client", "holds", "for", "from"], ...holderRows(service)])),
  ]);
}

function methodRows({ methods }: ServiceMatrix): readonly (readonly string[])[] {
  return methods.flatMap(({ method, hasSideEffects, rules }) =>
    rules.flatMap(({ credentials, scopes, callers }, rule) => {
      const who = callers.map(({ client, keys }) => [client, ...keys].join(" "));
      const cells = [
        rule === 0 ? [method] : [],
        rule === 0 ? [hasSideEffects ? "writes" : "reads"] : [],
        [credentials.join(" + ")],
        scopes,
        who.length === 0 ? ["nobody"] : who,
      ];
      return stacked(cells);
    }),
  );
}

function holderRows({ holders }: ServiceMatrix): readonly (readonly string[])[] {
  return holders.flatMap(({ client, credential, id, scopes, workloads, ended }) => {
    const what = [credential, id, ended === undefined ? undefined : `(${ended})`].filter((each) => each !== undefined);
    return stacked([[client], [what.join(" ")], scopes.length === 0 ? ["-"] : scopes, workloads ?? ["any workload"]]);
  });
}

/** A row whose cells have several lines, as several rows. */
function stacked(cells: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const height = Math.max(...cells.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) => cells.map((cell) => cell[line] ?? ""));
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`);
}
