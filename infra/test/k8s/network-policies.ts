import { BlockList } from "node:net";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";

type Spec = NonNullable<INetworkPolicy["spec"]>;
type Rule = NonNullable<Spec["ingress"]>[number] & NonNullable<Spec["egress"]>[number];
type Peer = NonNullable<Rule["to"]>[number];
type Selector = NonNullable<Peer["podSelector"]>;
type Labels = Readonly<Record<string, string>>;

/** One end of a connection: a pod, or a server outside of the cluster. */
export type Endpoint =
  | { readonly namespace: string; readonly namespaceLabels: Labels; readonly labels: Labels }
  | { readonly address: string };

/**
 * Whether these policies of a namespace let one end connect to a port of the other, as the documentation of NetworkPolicy has it:
 * who is selected by no policy of a direction is open in it; else one of those that select it has to allow the connection.
 */
export function isAllowed(
  policies: readonly INetworkPolicy[],
  namespace: string,
  from: Endpoint,
  to: Endpoint,
  { port, protocol = "TCP" }: { readonly port: number; readonly protocol?: string },
): boolean {
  const direction = (end: Endpoint, other: Endpoint, type: "Ingress" | "Egress"): boolean => {
    if ("address" in end || end.namespace !== namespace) return true;
    const selecting = policies.filter(
      ({ spec }) => (spec?.policyTypes ?? ["Ingress"]).includes(type) && matches(spec?.podSelector, end.labels),
    );
    if (selecting.length === 0) return true;
    const rulesOf = ({ spec }: INetworkPolicy): readonly Rule[] =>
      (type === "Ingress" ? spec?.ingress : spec?.egress) ?? [];
    return selecting.some((policy) =>
      rulesOf(policy).some((rule) => {
        const peers = type === "Ingress" ? rule.from : rule.to;
        const isPeer = (peers ?? []).length === 0 || peers?.some((peer) => isMeant(peer, other, namespace)) === true;
        const ports = rule.ports ?? [];
        const isPort =
          ports.length === 0 ||
          ports.some((each) => (each.protocol ?? "TCP") === protocol && (each.port ?? port) === port);
        return isPeer && isPort;
      }),
    );
  };
  return direction(from, to, "Egress") && direction(to, from, "Ingress");
}

function isMeant({ podSelector, namespaceSelector, ipBlock }: Peer, end: Endpoint, namespace: string): boolean {
  if ("address" in end) {
    if (ipBlock === undefined) return false;
    const inside = (cidr: string) => {
      const [network = "", bits = "32"] = cidr.split("/");
      const list = new BlockList();
      list.addSubnet(network, Number(bits));
      return list.check(end.address);
    };
    return inside(ipBlock.cidr) && !(ipBlock.except ?? []).some(inside);
  }
  if (ipBlock !== undefined) return false;
  const isNamespace =
    namespaceSelector === undefined ? end.namespace === namespace : matches(namespaceSelector, end.namespaceLabels);
  return isNamespace && matches(podSelector ?? {}, end.labels);
}

/** Whether a label selector selects these labels: an empty one selects everything. */
export function matches(selector: Selector | undefined, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === "In") return value !== undefined && values.includes(value);
      if (operator === "NotIn") return value === undefined || !values.includes(value);
      return (value !== undefined) === (operator === "Exists");
    })
  );
}
