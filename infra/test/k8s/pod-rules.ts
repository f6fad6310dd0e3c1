import { ofKind } from "./manifests.ts";
import { eachWorkload, type Rule, remove, workloadOf } from "./rule.ts";

/** What a pod may do, and what it may take. */
export const podRules: readonly Rule[] = [
  eachWorkload(
    "no workload runs as root",
    ({ pod, container }) => {
      const context = { ...pod.securityContext, ...container.securityContext };
      return [
        context.runAsNonRoot !== true && "may run as root",
        !((context.runAsUser ?? 0) > 0 && (context.runAsGroup ?? 0) > 0) && "does not say as whom it runs",
      ];
    },
    {
      "a user that is root": (fleet) => Object.assign(workloadOf(fleet).pod.securityContext ?? {}, { runAsUser: 0 }),
      "a container that may": (fleet) =>
        Object.assign(workloadOf(fleet).container.securityContext ?? {}, { runAsNonRoot: false }),
    },
  ),
  eachWorkload(
    "no workload can write its root file system, and what it can write is bounded",
    ({ pod, container }) => [
      container.securityContext?.readOnlyRootFilesystem !== true && "can write its root file system",
      ...(container.volumeMounts ?? []).map(({ name, readOnly, mountPath }) => {
        const volume = (pod.volumes ?? []).find((each) => each.name === name);
        if (volume === undefined) return false;
        if (volume.emptyDir !== undefined)
          return volume.emptyDir.sizeLimit === undefined && `fills ${mountPath} for ever`;
        return readOnly !== true && volume.configMap === undefined && `can write ${mountPath}`;
      }),
    ],
    {
      "a root that is written": (fleet) =>
        Object.assign(workloadOf(fleet).container.securityContext ?? {}, { readOnlyRootFilesystem: false }),
      "a folder without bounds": (fleet) => {
        for (const volume of workloadOf(fleet).pod.volumes ?? []) if (volume.emptyDir) volume.emptyDir = {};
      },
    },
  ),
  eachWorkload(
    "no workload has or gets a privilege, a capability, or a part of its node",
    ({ pod, container }) => {
      const context = container.securityContext ?? {};
      const seccomp = context.seccompProfile?.type ?? pod.securityContext?.seccompProfile?.type;
      return [
        context.allowPrivilegeEscalation !== false && "may gain privileges",
        context.privileged === true && "is privileged",
        (context.capabilities?.drop ?? []).join() !== "ALL" && "keeps capabilities",
        (context.capabilities?.add ?? []).length > 0 && "has more capabilities",
        seccomp !== "RuntimeDefault" && "has no seccomp profile",
        (pod.hostNetwork || pod.hostPID || pod.hostIPC) === true && "is in a namespace of its node",
        (pod.volumes ?? []).some(({ hostPath }) => hostPath !== undefined) && "mounts a folder of its node",
        (container.ports ?? []).some(({ hostPort }) => hostPort !== undefined) && "has a port of its node",
      ];
    },
    {
      "privilege escalation": (fleet) =>
        Object.assign(workloadOf(fleet).container.securityContext ?? {}, { allowPrivilegeEscalation: true }),
      "a capability": (fleet) =>
        Object.assign(workloadOf(fleet).container.securityContext ?? {}, { capabilities: { add: ["NET_RAW"] } }),
      "the node's network": (fleet) => Object.assign(workloadOf(fleet).pod, { hostNetwork: true }),
      "no seccomp profile": (fleet) =>
        Object.assign(workloadOf(fleet).pod.securityContext ?? {}, { seccompProfile: { type: "Unconfined" } }),
    },
  ),
  eachWorkload(
    "every workload is a service account of its own, and has no token of it",
    ({ pod, name }, { manifests }) => {
      const account = ofKind(manifests, "ServiceAccount").find(({ metadata }) => metadata.name === name);
      return [
        pod.serviceAccountName !== name && "has another's service account",
        account?.["automountServiceAccountToken"] !== false && "has a service account that is missing or gives tokens",
        pod.automountServiceAccountToken !== false && "gets a token of the API server",
        pod.enableServiceLinks !== false && "has its neighbours in its environment",
      ];
    },
    {
      "another's account": (fleet) => Object.assign(workloadOf(fleet).pod, { serviceAccountName: "order-service" }),
      "a token": (fleet) => Object.assign(workloadOf(fleet).pod, { automountServiceAccountToken: true }),
      "an account that is not there": (fleet) => remove(fleet, "ServiceAccount", "payment-service"),
    },
  ),
  eachWorkload(
    "every workload asks for what it needs, and its memory is bounded",
    ({ container: { resources } }) => [
      (resources?.requests?.["cpu"] === undefined || resources.requests["memory"] === undefined) &&
        "does not say what it needs",
      resources?.limits?.["memory"] === undefined && "may take all memory of its node",
    ],
    { "no bounds": (fleet) => Object.assign(workloadOf(fleet).container, { resources: {} }) },
  ),
  eachWorkload(
    "every image has a tag that says which it is",
    ({ container: { image = "" } }) => [
      !/^[^:@]+(?::\d+\/[^:@]+)?:(?!latest$)[\w.-]+$/u.test(image) && `runs ${image}`,
    ],
    {
      latest: (fleet) => Object.assign(workloadOf(fleet).container, { image: "zero-trust/payment:latest" }),
      "no tag": (fleet) => Object.assign(workloadOf(fleet).container, { image: "registry.example:5000/payment" }),
    },
  ),
];
