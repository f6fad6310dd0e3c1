import { existsSync } from "node:fs";
import { join } from "node:path";
import type { IProbe } from "kubernetes-models/v1/Probe";
import { isService } from "../service-variables.ts";
import { folders, ofKind, podTemplates } from "./manifests.ts";
import { matches } from "./network-policies.ts";
import { eachWorkload, objectOf, type Rule, remove, there, workloadOf } from "./rule.ts";

const programs = "node_modules/@zero-trust/server/dist/";
const probes = { health: `${programs}probe-health.js`, life: `${programs}probe-life.js` } as const;
/** What serve() takes to drain, and what closing the rest may take, in seconds. */
const DRAIN_SECONDS = 20;
const CLOSE_SECONDS = 5;

function probeCommand(probe: IProbe | undefined): string {
  return (probe?.exec?.command ?? []).join(" ");
}

/** That there is always one to answer. */
export const availabilityRules: readonly Rule[] = [
  {
    claim: "every Service and every PodDisruptionBudget selects one workload, and every workload has a Service",
    violations({ manifests }) {
      const templates = podTemplates(manifests);
      const selected = (selector: Record<string, string>) =>
        templates.filter(({ labels }) => matches({ matchLabels: selector }, labels));
      const services = ofKind(manifests, "Service");
      return [
        ...services.flatMap(({ metadata, spec }) => {
          const found = selected(spec.selector ?? {});
          const ports = found.flatMap(({ container }) => container.ports ?? []);
          return [
            ...(found.length === 1 ? [] : [`Service ${metadata.name} selects ${found.length} workloads.`]),
            ...(spec.ports ?? [])
              .filter(({ targetPort, port }) => !ports.some((p) => p.name === targetPort && p.containerPort === port))
              .map(({ targetPort }) => `Service ${metadata.name} leads to a port ${targetPort} that is not there.`),
          ];
        }),
        ...ofKind(manifests, "PodDisruptionBudget")
          .filter(({ spec }) => selected(spec.selector?.matchLabels ?? {}).length !== 1)
          .map(({ metadata }) => `PodDisruptionBudget ${metadata.name} does not select one workload.`),
        ...templates
          .filter(({ name }) => !services.some(({ metadata }) => metadata.name === name))
          .map(({ name }) => `${name} has no Service.`),
      ];
    },
    breaks: {
      "a selector of nothing": (fleet) =>
        Object.assign(there(objectOf(fleet, "Service", "payment-service").spec.selector), {
          "app.kubernetes.io/name": "pay",
        }),
      "a selector of everything": (fleet) => Object.assign(objectOf(fleet, "Service", "issuer").spec, { selector: {} }),
      "a port that is not there": (fleet) =>
        Object.assign(there(objectOf(fleet, "Service", "issuer").spec.ports?.[0]), { targetPort: "http" }),
      "a budget of nothing": (fleet) =>
        Object.assign(objectOf(fleet, "PodDisruptionBudget", "issuer").spec, {
          selector: { matchLabels: { "app.kubernetes.io/name": "issuers" } },
        }),
    },
  },
  eachWorkload(
    "every service has two pods or more, of which a voluntary disruption and a rollout take one at a time, on nodes apart",
    ({ name, replicas, labels, pod, maxUnavailable }, { manifests }) => {
      if (!isService(name)) return [];
      const budget = ofKind(manifests, "PodDisruptionBudget").find(({ spec }) => matches(spec.selector, labels));
      const spread = pod.topologySpreadConstraints ?? [];
      return [
        replicas < 2 && "has one pod",
        budget?.spec.maxUnavailable !== 1 && "has no budget of one pod",
        maxUnavailable !== 0 && "goes before another has come",
        !spread.some((each) => each.topologyKey === "kubernetes.io/hostname" && matches(each.labelSelector, labels)) &&
          "may have all pods on one node",
      ];
    },
    {
      "one pod": (fleet) => Object.assign(objectOf(fleet, "Deployment", "payment-service").spec, { replicas: 1 }),
      "no budget": (fleet) => remove(fleet, "PodDisruptionBudget", "payment-service"),
      "all at once": (fleet) =>
        Object.assign(objectOf(fleet, "Deployment", "payment-service").spec, { strategy: { type: "Recreate" } }),
      "one node": (fleet) => Object.assign(workloadOf(fleet).pod, { topologySpreadConstraints: [] }),
    },
  ),
  {
    claim: "order and payment are reached by all addresses of their pods, so that clients balance over them",
    violations: ({ manifests }) =>
      ["order-service", "payment-service"].flatMap((name) => {
        const service = ofKind(manifests, "Service").find(({ metadata }) => metadata.name === name);
        return service?.spec.clusterIP === "None" && service.spec.publishNotReadyAddresses !== true
          ? []
          : [`${name} has one address, or those of pods that are not ready.`];
      }),
    breaks: {
      "one address": (fleet) => delete objectOf(fleet, "Service", "payment-service").spec.clusterIP,
      "pods that are not ready": (fleet) =>
        Object.assign(objectOf(fleet, "Service", "payment-service").spec, { publishNotReadyAddresses: true }),
    },
  },
  eachWorkload(
    "a service is asked by its own probe programs, and what it depends on is no reason to start it again",
    ({ name, container }) => {
      const asked = [container.startupProbe, container.readinessProbe, container.livenessProbe];
      const missing = asked.some((probe) => probe?.exec === undefined);
      if (!isService(name)) return [missing && "is asked otherwise than in its container, or not at all"];
      const source = (program: string) =>
        join(folders.infra, "../packages/server/src", program.slice(programs.length).replace(/js$/u, "ts"));
      return [
        missing && "is asked otherwise than in its container, or not at all",
        probeCommand(container.readinessProbe) !== `node ${probes.health}` && "is not asked whether it serves",
        [container.startupProbe, container.livenessProbe].some(
          (each) => probeCommand(each) !== `node ${probes.life}`,
        ) && "is started again for another reason than that it does not answer",
        asked.some((probe) => (probe?.timeoutSeconds ?? 1) <= 5) && "has less time than the program takes to say why",
        !Object.values(probes).every((program) => existsSync(source(program))) && "is asked by a program that is gone",
      ];
    },
    {
      "liveness by health": (fleet) => {
        const { container } = workloadOf(fleet);
        container.livenessProbe = { ...container.readinessProbe };
      },
      "a probe of the kubelet's": (fleet) =>
        Object.assign(workloadOf(fleet).container, { readinessProbe: { grpc: { port: 50_051 } } }),
      "no probe": (fleet) => Object.assign(workloadOf(fleet).container, { livenessProbe: undefined }),
    },
  ),
  eachWorkload(
    "a service has the time to drain that it takes",
    ({ name, pod, container }) => {
      if (!isService(name)) return [];
      const pause = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
      const given = pod.terminationGracePeriodSeconds ?? 30;
      return [
        pause < 3 && "stops before names have changed",
        given < pause + DRAIN_SECONDS + CLOSE_SECONDS && `is ended after ${given} s`,
      ];
    },
    {
      "less time": (fleet) => Object.assign(workloadOf(fleet).pod, { terminationGracePeriodSeconds: 20 }),
      "no pause": (fleet) => Object.assign(workloadOf(fleet).container, { lifecycle: {} }),
    },
  ),
];
