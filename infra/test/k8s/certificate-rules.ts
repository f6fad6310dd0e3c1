import { spiffeIdOf, trustDomain, workloads } from "../../src/names.ts";
import { namespace, ofKind } from "./manifests.ts";
import { eachWorkload, objectOf, type Rule, there, workloadOf } from "./rule.ts";

/** Who a workload is. */
export const certificateRules: readonly Rule[] = [
  eachWorkload(
    "every workload shows a certificate of its own: its SPIFFE ID, for a day, renewed at half with another key",
    ({ name, pod }, { manifests }) => {
      const certificate = ofKind(manifests, "Certificate").find(({ metadata }) => metadata.name === name)?.spec;
      if (certificate === undefined) return ["has no certificate"];
      const hours = (text = "") => Number(/^(\d+)h$/u.exec(text)?.[1]);
      const { uris = [], dnsNames = [], usages = [], privateKey } = certificate;
      const secrets = (pod.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []);
      const certificates = ofKind(manifests, "Certificate").map(({ spec }) => spec.secretName);
      const workload = workloads.find((each) => each === name);
      return [
        (workload === undefined || uris.join() !== spiffeIdOf(workload)) && `is ${uris.join()} by its certificate`,
        certificate.commonName !== name && "has another common name, which PostgreSQL takes for its role",
        dnsNames.join() !== `${name}.${trustDomain},${name}.${namespace}.svc` && "has other DNS names",
        usages.toSorted().join() !== "client auth,digital signature,server auth" &&
          "has a certificate for something else",
        certificate.isCA === true && "has the certificate of a CA",
        !(privateKey?.algorithm === "ECDSA" && privateKey?.size === 256) && "has another key",
        privateKey?.rotationPolicy !== "Always" && "keeps its key for ever",
        hours(certificate.duration) !== 24 && "has a certificate for other than a day",
        hours(certificate.renewBefore) * 2 !== hours(certificate.duration) && "is renewed at other than half",
        certificate.issuerRef.name !== "workloads" && "has a certificate of another issuer",
        secrets.filter((each) => certificates.includes(each)).join() !== certificate.secretName &&
          "mounts other than its own certificate",
      ];
    },
    {
      "another's SPIFFE ID": (fleet) =>
        Object.assign(objectOf(fleet, "Certificate", "payment-service").spec, { uris: [spiffeIdOf("order-service")] }),
      "two SPIFFE IDs": (fleet) =>
        there(objectOf(fleet, "Certificate", "payment-service").spec.uris).push(spiffeIdOf("order-service")),
      "a week": (fleet) => Object.assign(objectOf(fleet, "Certificate", "issuer").spec, { duration: "168h" }),
      "a key for ever": (fleet) =>
        Object.assign(there(objectOf(fleet, "Certificate", "issuer").spec.privateKey), { rotationPolicy: "Never" }),
      "the CA's key": (fleet) =>
        void workloadOf(fleet).pod.volumes?.push({ name: "ca", secret: { secretName: "intermediate-ca" } }),
      "another's certificate": (fleet) =>
        Object.assign(workloadOf(fleet).pod.volumes?.find(({ name }) => name === "tls")?.secret ?? {}, {
          secretName: "order-service-tls",
        }),
    },
  ),
  {
    claim: "workloads' certificates are an intermediate's, and the intermediate's is the root's",
    violations({ manifests }) {
      const signer = (issuer: string) =>
        ofKind(manifests, "Certificate").find(
          ({ spec }) =>
            spec.secretName ===
            ofKind(manifests, "Issuer").find(({ metadata }) => metadata.name === issuer)?.spec.ca?.secretName,
        );
      const chain = ["workloads"];
      for (let next = signer("workloads"); next !== undefined && chain.length < 5; next = signer(chain.at(-1) ?? "")) {
        if (next.spec.isCA !== true || next.spec.privateKey?.size !== 256) return [`${next.metadata.name} is no CA.`];
        chain.push(next.spec.issuerRef.name);
      }
      const path = chain.join(" ← ");
      return path === "workloads ← root-ca ← self-signed" ? [] : [`The chain is ${path}.`];
    },
    breaks: {
      "the root signs": (fleet) =>
        Object.assign(there(objectOf(fleet, "Issuer", "workloads").spec.ca), { secretName: "root-ca" }),
      "an intermediate that is no CA": (fleet) =>
        Object.assign(objectOf(fleet, "Certificate", "intermediate-ca").spec, { isCA: false }),
    },
  },
];
