import { join } from "node:path";
import { workloads } from "../../src/names.ts";
import { networkArrows } from "../../src/network-arrows.ts";
import { configReaders, isService, variablesOf } from "../service-variables.ts";
import { namespace, ofKind, type PodTemplate } from "./manifests.ts";
import { eachWorkload, environmentOf, type Fleet, type Rule, remove, setVariable, workloadOf } from "./rule.ts";

/** What a certificate's Secret has, as cert-manager writes it. */
const certificateKeys = ["tls.crt", "tls.key", "ca.crt"];

/** Every file that is mounted, by its path. */
function mountedFiles({ pod, container }: PodTemplate, fleet: Fleet): ReadonlySet<string> {
  const keysOf = (kind: "Secret" | "ConfigMap", name: string | undefined): readonly string[] => {
    const found = ofKind(fleet.manifests, kind).find(({ metadata }) => metadata.name === name);
    const isCertificate = ofKind(fleet.manifests, "Certificate").some(({ spec }) => spec.secretName === name);
    if (kind === "Secret" && isCertificate) return certificateKeys;
    return Object.keys(found?.data ?? {}).concat(kind === "Secret" ? (fleet.secrets[name ?? ""] ?? []) : []);
  };
  const files = (pod.volumes ?? []).flatMap((volume) => {
    const sources = [
      ...(volume.secret === undefined ? [] : [{ secret: { ...volume.secret, name: volume.secret.secretName } }]),
      ...(volume.configMap === undefined ? [] : [{ configMap: volume.configMap }]),
      ...(volume.projected?.sources ?? []),
    ];
    const paths = sources.flatMap((source) => {
      const { name, items } = ("secret" in source ? source.secret : source.configMap) ?? {};
      const keys = keysOf("secret" in source && source.secret !== undefined ? "Secret" : "ConfigMap", name);
      return (items ?? keys.map((key) => ({ key, path: key }))).filter(({ key }) => keys.includes(key));
    });
    const mounts = (container.volumeMounts ?? []).filter(({ name }) => name === volume.name);
    return mounts.flatMap(({ mountPath }) => paths.map(({ path }) => join(mountPath, path)));
  });
  return new Set(files);
}

/** Each Secret and ConfigMap key that a workload's volumes name. */
function namedKeys({ pod }: PodTemplate): readonly { readonly name: string; readonly path: string }[] {
  return (pod.volumes ?? []).flatMap(({ name, secret, projected }) =>
    [
      ...(secret?.items ?? []),
      ...(projected?.sources ?? []).flatMap((s) => s.secret?.items ?? s.configMap?.items ?? []),
    ].map(({ path }) => ({ name, path })),
  );
}

/** What a workload is told, and whether it is so. */
export const configurationRules: readonly Rule[] = [
  eachWorkload(
    "every file that a workload is told of is mounted, and every key that it mounts exists",
    (workload, fleet) => {
      const files = mountedFiles(workload, fleet);
      const told = [...Object.entries(environmentOf(workload.container)), ...(workload.container.args ?? []).entries()]
        .map(([name, value]) => [name, value.replace(/^\w+=/u, "")] as const)
        .filter(([name, value]) => value.startsWith("/") && !/DATA|TLS_DIR/u.test(String(name)));
      const tls = environmentOf(workload.container)["ZT_TLS_DIR"] ?? "/etc/zero-trust/tls";
      return [
        ...told.map(([name, path]) => !files.has(path) && `is told of ${path} (${name}), which is not there`),
        ...certificateKeys.map((key) => !files.has(join(tls, key)) && `has no ${key} in ${tls}`),
        ...namedKeys(workload).map(
          ({ name, path }) => ![...files].some((file) => file.endsWith(`/${path}`)) && `mounts no ${path} by ${name}`,
        ),
        ...(workload.container.volumeMounts ?? []).map(
          ({ name }) =>
            ![...(workload.pod.volumes ?? []).map((volume) => volume.name), ...workload.claims].includes(name) &&
            `mounts the volume ${name}, which it has not`,
        ),
      ];
    },
    {
      "a path that is wrong": (fleet) => setVariable(fleet, "ZT_GRANTS_FILE", "/etc/zero-trust/files/grant.json"),
      "a key that is gone": (fleet) => {
        for (const { data = {} } of ofKind(fleet.manifests, "Secret")) delete data["key-encryption-key"];
        (fleet.secrets as Record<string, string[]>)["payment-service"] = [];
      },
      "a ConfigMap that is gone": (fleet) => remove(fleet, "ConfigMap", "payment-grants"),
      "a certificate that is gone": (fleet) => remove(fleet, "Certificate", "payment-service"),
      "a volume that is gone": (fleet) => void workloadOf(fleet).pod.volumes?.pop(),
    },
  ),
  eachWorkload(
    "what is secret is readable for its workload alone",
    ({ pod, container }) => {
      const group = pod.securityContext?.fsGroup;
      const secrets = (pod.volumes ?? []).filter(
        ({ secret, projected }) =>
          secret !== undefined || projected?.sources?.some((each) => each.secret !== undefined),
      );
      const open = secrets.filter(({ secret, projected }) => (secret ?? projected)?.defaultMode !== 0o400);
      return [
        group === undefined && "has no group to read its secrets by",
        group !== pod.securityContext?.runAsGroup && "reads its secrets by a group that is not its own",
        ...open.map(({ name }) => `has secrets in ${name} that others can read`),
        ...(container.env ?? []).map(
          ({ name, value = "" }) => /:\/\/[^/@]*:[^/@]*@/u.test(value) && `has a password in ${name}`,
        ),
        (container.envFrom ?? []).length > 0 && "takes its environment from somewhere else",
        ...(container.env ?? []).map(
          ({ name, valueFrom }) => valueFrom?.secretKeyRef !== undefined && `has a secret in its environment, ${name}`,
        ),
      ];
    },
    {
      "a mode for all": (fleet) => {
        for (const { secret } of workloadOf(fleet).pod.volumes ?? []) if (secret) secret.defaultMode = 0o444;
      },
      "a password in a URL": (fleet) =>
        setVariable(fleet, "ZT_DATABASE_URL", "postgres://payment-service:secret@postgres:5432/payment"),
      "no group": (fleet) => {
        delete workloadOf(fleet).pod.securityContext?.fsGroup;
      },
    },
  ),
  eachWorkload(
    "ports and addresses agree: where a service listens, where its Service leads, and where others are told to go",
    ({ name, container }, { manifests, outside }) => {
      const environment = environmentOf(container);
      const listens = (container.ports ?? []).map(({ containerPort }) => String(containerPort));
      const addresses = Object.entries(environment).flatMap(([variable, value]) => {
        if (variable.endsWith("_ADDRESS")) return value.split(",");
        return /^(?:postgres|rediss):/u.test(value) ? [new URL(value).host] : [];
      });
      return [
        ...["ZT_PORT", "ZT_METRICS_PORT"].map(
          (variable) =>
            environment[variable] !== undefined &&
            !listens.includes(environment[variable]) &&
            `listens on ${environment[variable]} (${variable}), and its container has no such port`,
        ),
        environment["ZT_HOST"] !== undefined && environment["ZT_HOST"] !== "0.0.0.0" && "listens for itself alone",
        ...addresses.map((address) => {
          const [host = "", port = ""] = address.split(":");
          const [target = "", domain] = host.split(/\.(.*)/su);
          const server = workloads.find((each) => each === target);
          const service = ofKind(manifests, "Service").find(({ metadata }) => metadata.name === target);
          const isThere =
            server !== undefined && outside[server] !== undefined
              ? domain === "example.internal"
              : domain === `${namespace}.svc` && service?.spec.ports?.some((each) => `${each.port}` === port);
          const hasArrow = networkArrows.some(
            (each) => each.from === name && each.to === target && `${each.port}` === port,
          );
          return !(isThere === true && hasArrow) && `is told to go to ${address}`;
        }),
      ];
    },
    {
      "another port": (fleet) => setVariable(fleet, "ZT_PORT", "50052"),
      "an address of nobody": (fleet) => setVariable(fleet, "ZT_ISSUER_ADDRESS", "issuers.zero-trust.svc:50051"),
      "a port of nobody": (fleet) => setVariable(fleet, "ZT_ISSUER_ADDRESS", "issuer.zero-trust.svc:443"),
      "somebody else's server": (fleet) =>
        setVariable(fleet, "ZT_ISSUER_ADDRESS", "payment-service.zero-trust.svc:50051"),
      loopback: (fleet) => setVariable(fleet, "ZT_HOST", "127.0.0.1"),
    },
  ),
  eachWorkload(
    "every service understands its environment, and has no variable that it does not know",
    ({ name, container }) => {
      if (!isService(name)) return [];
      const known = variablesOf(name);
      const environment = environmentOf(container);
      const unknown = Object.keys(environment).filter((variable) => !known.has(variable));
      let refusal: string | undefined;
      try {
        configReaders[name](environment);
      } catch (error) {
        refusal = error instanceof Error ? error.message : String(error);
      }
      return [refusal !== undefined && `says: ${refusal}`, unknown.length > 0 && `does not know ${unknown.join()}`];
    },
    {
      "a variable that is missing": (fleet) => setVariable(fleet, "ZT_SIGNING_KEYS_FILE", undefined),
      "a value that is wrong": (fleet) => setVariable(fleet, "ZT_ISSUER_ADDRESS", "issuer"),
      "a variable that is misspelt": (fleet) => setVariable(fleet, "ZT_API_KEY_USE_FILE", "/tmp/uses.json"),
      "a variable of another service": (fleet) => setVariable(fleet, "ZT_PAYMENT_ADDRESS", "payment:1", "issuer"),
    },
  ),
];
