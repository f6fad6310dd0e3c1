/** What a Prometheus is asked. */
export interface PrometheusApi {
  /** The answer of an instant query: each series' labels and value. */
  query(
    expr: string,
  ): Promise<readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[]>;
  /** Its alerts, whether it could work them out when it did last, and whether they fire. */
  alerts(): Promise<readonly { readonly name: string; readonly health: string; readonly state: string }[]>;
}

/** Asks one on a port of this machine; throws what it does not answer well. */
export function prometheusAt(port: number): PrometheusApi {
  async function ask<Data>(path: string): Promise<Data> {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const { data } = (await response.json()) as { data: Data };
    if (!response.ok) throw new Error(`Prometheus answered ${response.status} to ${path}.`);
    return data;
  }
  return {
    async query(expr) {
      const { result } = await ask<{
        result: { metric: Record<string, string>; value: [number, string] }[];
      }>(`query?query=${encodeURIComponent(expr)}`);
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    async alerts() {
      const { groups } = await ask<{
        groups: { rules: { name: string; health: string; state: string }[] }[];
      }>("rules?type=alert");
      return groups.flatMap((group) => group.rules);
    },
  };
}
