import { type NetworkArrow, networkArrows, traceArrows } from "../../src/network-arrows.ts";
import { type Manifest, namespace, ofKind, podTemplates } from "./manifests.ts";
import { type Endpoint, isAllowed, matches } from "./network-policies.ts";
import { eachWorkload, type Fleet, objectOf, type Rule, remove, there, workloadOf } from "./rule.ts";

/** What the fleet's connections are, where everything is tried that the policies could allow. */
function openArrows(fleet: Fleet): readonly string[] {
  const policies = ofKind(fleet.manifests, "NetworkPolicy");
  const inside = (labels: Readonly<Record<string, string>>): Endpoint => ({
    namespace,
    namespaceLabels: { "kubernetes.io/metadata.name": namespace },
    labels,
  });
  const elsewhere = (name: string, labels: Readonly<Record<string, string>> = {}): Endpoint => ({
    namespace: name,
    namespaceLabels: {
      "kubernetes.io/metadata.name": name,
      ...(name === "shop" ? { "zero-trust/callers": "true" } : {}),
    },
    labels: { "app.kubernetes.io/name": "anything", ...labels },
  });
  const ends: Readonly<Record<string, Endpoint>> = {
    ...Object.fromEntries(podTemplates(fleet.manifests).map(({ name, labels }) => [name, inside(labels)])),
    ...Object.fromEntries(Object.entries(fleet.outside).map(([name, address]) => [name, { address }])),
    callers: elsewhere("shop"),
    prometheus: elsewhere("observability", { "app.kubernetes.io/name": "prometheus" }),
    collector: elsewhere("observability", { "app.kubernetes.io/name": "collector" }),
    // None of them has an arrow.
    "a stranger in the namespace": inside({ "app.kubernetes.io/name": "stranger" }),
    "another namespace": elsewhere("other"),
    "the namespace of names": elsewhere("kube-system"),
    "the internet": { address: "203.0.113.7" },
    "the cloud's metadata": { address: "169.254.169.254" },
  };
  const ours = (end: Endpoint) => "labels" in end && end.namespace === namespace;
  // Those of the arrows, and what else could be listened on.
  const ports = [...new Set([...networkArrows, ...traceArrows].map(({ port }) => port)), 22, 80, 443, 8_080];
  return Object.entries(ends).flatMap(([from, source]) =>
    Object.entries(ends)
      .filter(([to, target]) => to !== from && (ours(source) || ours(target)))
      .flatMap(([to, target]) =>
        ports
          .filter((port) => isAllowed(policies, namespace, source, target, { port }))
          .map((port) => `${from} → ${to}:${port}`),
      ),
  );
}

const arrow = ({ from, to, port }: NetworkArrow) => `${from} → ${to}:${port}`;

/** Who reaches whom. */
export const networkRules: readonly Rule[] = [
  {
    claim: "the namespace lets in restricted pods alone",
    violations: ({ manifests }) =>
      ofKind(manifests, "Namespace").some(
        ({ metadata }) =>
          metadata.name === namespace && metadata.labels?.["pod-security.kubernetes.io/enforce"] === "restricted",
      )
        ? []
        : ["It lets in any pod."],
    breaks: {
      "a lower level": (fleet) =>
        Object.assign(objectOf(fleet, "Namespace", namespace).metadata.labels ?? {}, {
          "pod-security.kubernetes.io/enforce": "baseline",
        }),
    },
  },
  {
    claim: "everything is in the one namespace",
    violations: ({ manifests }) =>
      manifests
        .filter(({ kind, metadata }) => kind !== "Namespace" && (metadata.namespace ?? namespace) !== namespace)
        .map(({ kind, metadata }) => `${kind} ${metadata.name} is in ${metadata.namespace}.`),
    breaks: {
      "another namespace": (fleet) =>
        Object.assign(objectOf(fleet, "Service", "issuer").metadata, { namespace: "default" }),
    },
  },
  {
    claim: "by default nothing goes in or out",
    violations: ({ manifests }) =>
      ofKind(manifests, "NetworkPolicy").some(
        ({ spec }) =>
          matches(spec.podSelector, {}) &&
          (["Ingress", "Egress"] as const).every((type) => spec.policyTypes?.includes(type)) &&
          (spec.ingress ?? []).length + (spec.egress ?? []).length === 0,
      )
        ? []
        : ["No policy denies everything that others do not allow."],
    breaks: {
      "no such policy": (fleet) => remove(fleet, "NetworkPolicy", "default-deny"),
      "one direction": (fleet) =>
        Object.assign(objectOf(fleet, "NetworkPolicy", "default-deny").spec, { policyTypes: ["Ingress"] }),
    },
  },
  eachWorkload(
    "every workload has a NetworkPolicy of its own",
    ({ labels }, { manifests }) => {
      const own = ofKind(manifests, "NetworkPolicy").filter(
        ({ spec }) => !matches(spec.podSelector, {}) && matches(spec.podSelector, labels),
      );
      return [own.length === 0 && "has none that selects it"];
    },
    {
      "a policy that is missing": (fleet) => {
        for (const name of ["payment-service", "payment-service-stores"]) remove(fleet, "NetworkPolicy", name);
        (fleet.manifests as Manifest[]).splice(
          0,
          fleet.manifests.length,
          ...fleet.manifests.filter(({ metadata }) => metadata.name !== "traces"),
        );
      },
      "a label that changed": (fleet) =>
        Object.assign(workloadOf(fleet).labels, { "app.kubernetes.io/name": "payments" }),
    },
  ),
  {
    claim: "the connections that the policies allow are those of the architecture, and no others",
    violations(fleet) {
      const wanted = new Set([...networkArrows, ...(fleet.hasTraces ? traceArrows : [])].map(arrow));
      const open = new Set(openArrows(fleet));
      return [
        ...[...open].filter((each) => !wanted.has(each)).map((each) => `${each} is open.`),
        ...[...wanted].filter((each) => !open.has(each)).map((each) => `${each} is shut.`),
      ];
    },
    breaks: {
      "a way in": (fleet) =>
        there(objectOf(fleet, "NetworkPolicy", "payment-service").spec.ingress).push({
          from: [{ namespaceSelector: { matchLabels: { "zero-trust/callers": "true" } } }],
          ports: [{ protocol: "TCP", port: 50_051 }],
        }),
      "a way in for all": (fleet) => there(objectOf(fleet, "NetworkPolicy", "issuer").spec.ingress).push({}),
      "a way out": (fleet) =>
        there(objectOf(fleet, "NetworkPolicy", "payment-service").spec.egress).push({
          to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.169.254/32"] } }],
        }),
      "a port too many": (fleet) => {
        for (const rule of [
          objectOf(fleet, "NetworkPolicy", "payment-service").spec.ingress?.[0],
          objectOf(fleet, "NetworkPolicy", "order-service").spec.egress?.[0],
        ])
          there(rule?.ports).push({ protocol: "TCP", port: 9_464 });
      },
      "a way that is shut": (fleet) => objectOf(fleet, "NetworkPolicy", "order-service").spec.egress?.shift(),
    },
  },
  {
    claim: "everybody may ask for names, and nobody else is reached by that",
    violations({ manifests }) {
      const policies = ofKind(manifests, "NetworkPolicy");
      const labels = (name: string, rest: Readonly<Record<string, string>>) => ({
        namespace: name,
        namespaceLabels: { "kubernetes.io/metadata.name": name },
        labels: rest,
      });
      const servers = { names: labels("kube-system", { "k8s-app": "kube-dns" }), else: labels("kube-system", {}) };
      return podTemplates(manifests).flatMap(({ name, labels: own }) => {
        const asks = (server: Endpoint, protocol: string) =>
          isAllowed(policies, namespace, labels(namespace, own), server, { port: 53, protocol });
        return ["UDP", "TCP"].flatMap((protocol) => [
          ...(asks(servers.names, protocol) ? [] : [`${name} cannot ask for names over ${protocol}.`]),
          ...(asks(servers.else, protocol) || asks({ address: "203.0.113.7" }, protocol)
            ? [`${name} reaches more than names over ${protocol}.`]
            : []),
        ]);
      });
    },
    breaks: {
      "no names": (fleet) => remove(fleet, "NetworkPolicy", "names"),
      "names from anywhere": (fleet) => {
        delete there(objectOf(fleet, "NetworkPolicy", "names").spec.egress?.[0]).to;
      },
    },
  },
];
