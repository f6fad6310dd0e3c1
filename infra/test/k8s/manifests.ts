import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ICertificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import type { IIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Issuer";
import type { IDeployment } from "kubernetes-models/apps/v1/Deployment";
import type { IStatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import type { IConfigMap } from "kubernetes-models/v1/ConfigMap";
import type { IContainer } from "kubernetes-models/v1/Container";
import type { INamespace } from "kubernetes-models/v1/Namespace";
import type { IPodSpec } from "kubernetes-models/v1/PodSpec";
import type { ISecret } from "kubernetes-models/v1/Secret";
import type { IService } from "kubernetes-models/v1/Service";
import type { IServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { parseAllDocuments, parse as parseYaml } from "yaml";

/** An object of Kubernetes, as it stands in YAML. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  data?: Record<string, string>;
  [field: string]: unknown;
}

interface Models {
  readonly Certificate: ICertificate;
  readonly ConfigMap: IConfigMap;
  readonly Deployment: IDeployment;
  readonly Issuer: IIssuer;
  readonly Namespace: INamespace;
  readonly NetworkPolicy: INetworkPolicy;
  readonly PodDisruptionBudget: IPodDisruptionBudget;
  readonly Secret: ISecret;
  readonly Service: IService;
  readonly ServiceAccount: IServiceAccount;
  readonly StatefulSet: IStatefulSet;
}

export type Kind = keyof Models;

/** An object whose kind says what its fields are; the schemas check that they are. */
export type ObjectOf<K extends Kind> = Models[K] &
  Pick<Manifest, "metadata"> &
  (Models[K] extends { spec?: infer Spec } ? { spec: NonNullable<Spec> } : unknown);

/** What runs pods, as the rules look at it. */
export interface PodTemplate {
  readonly name: string;
  readonly replicas: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: IPodSpec;
  readonly container: IContainer;
  /** How many pods may be away while others take their place. */
  readonly maxUnavailable: number | string | undefined;
  /** The volumes that it claims. */
  readonly claims: readonly string[];
}

const k8s = fileURLToPath(new URL("../../k8s", import.meta.url));
export const namespace = "zero-trust";

/** The files of an overlay's kustomization that are its own, as they are written; generated objects with their keys alone. */
export function writtenManifests(folder: string): Manifest[] {
  const here = join(k8s, folder);
  const kustomization = parseYaml(readFileSync(join(here, "kustomization.yaml"), "utf8")) as {
    readonly resources?: readonly string[];
    readonly secretGenerator?: readonly Generator[];
    readonly configMapGenerator?: readonly Generator[];
  };
  const { resources = [], secretGenerator = [], configMapGenerator = [] } = kustomization;
  return [
    ...resources.flatMap((resource) =>
      resource.endsWith(".yaml")
        ? parseManifests(readFileSync(join(here, resource), "utf8"))
        : writtenManifests(join(folder, resource)),
    ),
    ...secretGenerator.map((generator) => generated("Secret", generator)),
    ...configMapGenerator.map((generator) => generated("ConfigMap", generator)),
  ];
}

interface Generator {
  readonly name: string;
  readonly files: readonly string[];
}

function generated(kind: "Secret" | "ConfigMap", { name, files }: Generator): Manifest {
  const keys = files.map((file) => (file.includes("=") ? file.slice(0, file.indexOf("=")) : basename(file)));
  return { apiVersion: "v1", kind, metadata: { name }, data: Object.fromEntries(keys.map((key) => [key, ""])) };
}

/** The version of the kustomize that kubectl brings; undefined where there is none, or one that is older than components. */
export function findKustomize(): string | undefined {
  const { status, stdout } = spawnSync("kubectl", ["version", "--client", "--output", "json"], { encoding: "utf8" });
  if (status !== 0) return undefined;
  const { kustomizeVersion = "v0" } = JSON.parse(stdout) as { readonly kustomizeVersion?: string };
  return Number(kustomizeVersion.slice(1).split(".")[0]) >= 5 ? kustomizeVersion : undefined;
}

/** What `kubectl apply` would send. */
export function renderedManifests(folder: string): Manifest[] {
  const output = execFileSync("kubectl", ["kustomize", folder], { encoding: "utf8", maxBuffer: 16 << 20 });
  const manifests = parseManifests(output);
  // Kustomize breaks base64 into lines, which Go reads and the schema does not.
  for (const { data = {} } of ofKind(manifests, "Secret"))
    for (const [key, value] of Object.entries(data)) data[key] = value.replaceAll("\n", "");
  return manifests;
}

/** The documents of a YAML file. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { merge: true }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new Error(error.message);
    // What is shared by an alias becomes each one's own, so that a test can change it in one place.
    const value = document.toJS() as Manifest | null;
    return value === null ? [] : [JSON.parse(JSON.stringify(value)) as Manifest];
  });
}

/** Everything of a kind. */
export function ofKind<K extends Kind>(manifests: readonly Manifest[], kind: K): ObjectOf<K>[] {
  return manifests.filter((each) => each.kind === kind) as unknown as ObjectOf<K>[];
}

/** The kinds besides those that are known here that would run pods too. */
const otherPods = new Set(["CronJob", "DaemonSet", "Job", "Pod", "ReplicaSet"]);

/** Everything that runs pods. */
export function podTemplates(manifests: readonly Manifest[]): readonly PodTemplate[] {
  const other = manifests.find(({ kind }) => otherPods.has(kind));
  if (other !== undefined)
    throw new Error(`The rules have to learn of ${other.kind}, as ${other.metadata.name} is one.`);
  return [...ofKind(manifests, "Deployment"), ...ofKind(manifests, "StatefulSet")].map((manifest) => {
    const { template, replicas = 1 } = manifest.spec;
    const pod = template.spec ?? { containers: [] };
    const [container] = pod.containers;
    if (container === undefined || pod.containers.length > 1 || (pod.initContainers ?? []).length > 0)
      throw new Error(`${manifest.metadata.name} has other than one container: the rules have to learn of that.`);
    const strategy = "strategy" in manifest.spec ? manifest.spec.strategy : undefined;
    const claims = "volumeClaimTemplates" in manifest.spec ? manifest.spec.volumeClaimTemplates : [];
    return {
      name: manifest.metadata.name,
      replicas,
      labels: template.metadata?.labels ?? {},
      pod,
      container,
      maxUnavailable: strategy?.rollingUpdate?.maxUnavailable,
      claims: (claims ?? []).flatMap(({ metadata }) => metadata?.name ?? []),
    };
  });
}

/** The folder of infra/k8s, and where things lie that it takes from beside it. */
export const folders: { readonly k8s: string; readonly infra: string } = { k8s: k8s, infra: dirname(k8s) };
