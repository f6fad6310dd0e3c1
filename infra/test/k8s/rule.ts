import type { IContainer } from "kubernetes-models/v1/Container";
import type { Workload } from "../../src/names.ts";
import { type Kind, type Manifest, type ObjectOf, ofKind, type PodTemplate, podTemplates } from "./manifests.ts";

/** What is deployed together. */
export interface Fleet {
  readonly manifests: readonly Manifest[];
  /** The Secrets that come from elsewhere, with their keys. */
  readonly secrets: Readonly<Record<string, readonly string[]>>;
  /** Where servers are that stand outside of the cluster, one address of each. */
  readonly outside: Readonly<Partial<Record<Workload, string>>>;
  readonly hasTraces: boolean;
}

/** What has to hold of a fleet. */
export interface Rule {
  readonly claim: string;
  /** What is wrong with it: sentences, none where it holds. */
  readonly violations: (fleet: Fleet) => readonly string[];
  /** Changes of a fleet, each of which the rule has to notice. */
  readonly breaks: Readonly<Record<string, (fleet: Fleet) => void>>;
}

/** A rule about every workload by itself. */
export function eachWorkload(
  claim: string,
  violation: (workload: PodTemplate, fleet: Fleet) => readonly (string | false)[],
  breaks: Rule["breaks"],
): Rule {
  return {
    claim,
    breaks,
    violations: (fleet) =>
      podTemplates(fleet.manifests).flatMap((workload) =>
        violation(workload, fleet)
          .filter((sentence) => sentence !== false)
          .map((sentence) => `${workload.name} ${sentence}`),
      ),
  };
}

/** The workload of that name, to be changed; the payment service unless another is named. */
export function workloadOf(fleet: Fleet, name = "payment-service"): PodTemplate {
  const found = podTemplates(fleet.manifests).find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no ${name}.`);
  return found;
}

/** What a test that breaks a rule relies on. */
export function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("What was to be broken is not there.");
  return value;
}

/** An object, to be changed. */
export function objectOf<K extends Kind>(fleet: Fleet, kind: K, name: string): ObjectOf<K> {
  const found = ofKind(fleet.manifests, kind).find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`There is no ${kind} ${name}.`);
  return found;
}

export function remove(fleet: Fleet, kind: Kind, name: string): void {
  const index = fleet.manifests.findIndex((each) => each.kind === kind && each.metadata.name === name);
  if (index < 0) throw new Error(`There is no ${kind} ${name}.`);
  (fleet.manifests as Manifest[]).splice(index, 1);
}

export function environmentOf({ env = [] }: IContainer): Readonly<Record<string, string>> {
  return Object.fromEntries(env.map(({ name, value = "" }) => [name, value]));
}

/** Sets a variable of the payment service, or takes it away. */
export function setVariable(fleet: Fleet, name: string, value: string | undefined, workload?: string): void {
  const { container } = workloadOf(fleet, workload);
  const others = (container.env ?? []).filter((each) => each.name !== name);
  container.env = value === undefined ? others : [...others, { name, value }];
}
