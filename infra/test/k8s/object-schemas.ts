import { Certificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import { Issuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Issuer";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { Secret } from "kubernetes-models/v1/Secret";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import type { Manifest } from "./manifests.ts";

/** A class of kubernetes-models, which checks by the OpenAPI schema of Kubernetes, or of cert-manager's definitions. */
interface Model {
  new (data: never): { validate(): void };
  readonly apiVersion: string;
  readonly kind: string;
}

const models: readonly Model[] = [
  Certificate,
  ConfigMap,
  Deployment,
  Issuer,
  Namespace,
  NetworkPolicy,
  PodDisruptionBudget,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
];

/** What the API server would refuse of an object, with `--validate=strict`: sentences, none where it is well. */
export function schemaComplaints(manifest: Manifest): readonly string[] {
  const { apiVersion, kind, metadata } = manifest;
  const what = `${kind} ${metadata.name}`;
  const model = models.find((each) => each.apiVersion === apiVersion && each.kind === kind);
  if (model === undefined) return [`${what}: there is no schema of ${apiVersion} here.`];
  const seen = new Map<string, { readonly value: object; readonly fields: Set<string> }>();
  try {
    const object = new model(manifest as never);
    object.validate.call(watched(object, "", seen) as typeof object);
  } catch (error) {
    return [`${what}: ${error instanceof Error ? error.message : String(error)}`];
  }
  // The schemas name the fields that there are and let in others; a field that was not looked at is none of theirs.
  return [...seen].flatMap(([path, { value, fields }]) =>
    Object.keys(value)
      .filter((field) => !fields.has(field))
      .map((field) => `${what}: ${path}/${field} is no field.`),
  );
}

/** The same value, which notes by their paths the fields that are read. */
function watched(
  value: unknown,
  path: string,
  seen: Map<string, { readonly value: object; readonly fields: Set<string> }>,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  const fields = seen.get(path)?.fields ?? new Set<string>();
  seen.set(path, { value, fields });
  return new Proxy(value, {
    get(target, field, receiver) {
      const found: unknown = Reflect.get(target, field, receiver);
      if (typeof field !== "string") return found;
      fields.add(field);
      return watched(found, `${path}/${field}`, seen);
    },
  });
}
