import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { prepareCompose } from "../../src/compose/prepare.ts";
import { findKustomize, folders, ofKind, parseManifests, renderedManifests, writtenManifests } from "./manifests.ts";
import { schemaComplaints } from "./object-schemas.ts";
import type { Fleet } from "./rule.ts";
import { rules } from "./rules.ts";

const kustomize = findKustomize();
if (kustomize === undefined)
  console.warn("! Overlays of infra/k8s are not rendered here: there is no kubectl with kustomize 5 or later.");

/** The overlay for development as its files say it: it changes nothing but the tags of images. */
function written(): Fleet {
  return { manifests: writtenManifests("overlays/development"), secrets: {}, outside: {}, hasTraces: false };
}

describe("the files of infra/k8s", () => {
  test("are what the schemas of Kubernetes and cert-manager say, with no field besides", () => {
    const { manifests } = written();
    expect(manifests.length).toBeGreaterThan(40);
    expect(manifests.flatMap(schemaComplaints)).toEqual([]);
  });

  test.each(rules)("$claim", ({ violations }) => {
    expect(violations(written())).toEqual([]);
  });
});

describe.runIf(kustomize !== undefined)("as kustomize renders it", () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "zero-trust-k8s-"));
    for (const each of ["k8s", "grants", "compose"])
      cpSync(join(folders.infra, each), join(folder, each), {
        recursive: true,
        filter: (source) => !source.endsWith("/deployment"),
      });
    const deployment = join(folder, "k8s/overlays/development/deployment");
    mkdirSync(deployment);
    await prepareCompose(deployment);
    return () => rmSync(folder, { recursive: true });
  });

  const render = (overlay: string) => renderedManifests(join(folder, "k8s/overlays", overlay));
  const fleets: Readonly<Record<string, () => Fleet>> = {
    development: () => ({ manifests: render("development"), secrets: {}, outside: {}, hasTraces: false }),
    production: () => ({
      manifests: render("production"),
      // docs/deploy.md says to make them with the keys that development has.
      secrets: Object.fromEntries(
        ofKind(written().manifests, "Secret").map(({ metadata, data = {} }) => [metadata.name, Object.keys(data)]),
      ),
      outside: { postgres: "198.51.100.17", valkey: "198.51.100.33" },
      hasTraces: true,
    }),
  };

  test.each(Object.entries(fleets))("%s is what the schemas say, and every rule holds of it", (_name, fleet) => {
    const rendered = fleet();
    expect(rendered.manifests.flatMap(schemaComplaints)).toEqual([]);
    for (const { claim, violations } of rules) expect([claim, violations(rendered)]).toEqual([claim, []]);
  });

  test("production makes no Secret, and development has the images that are built here", () => {
    expect(ofKind(render("production"), "Secret")).toEqual([]);
    const images = ofKind(render("development"), "Deployment").map(
      ({ spec }) => spec.template.spec?.containers[0]?.image,
    );
    expect(new Set(images)).toEqual(
      new Set(["zero-trust/issuer:local", "zero-trust/order:local", "zero-trust/payment:local"]),
    );
  });
});

describe("a rule notices what it is for", () => {
  const cases = rules.flatMap(({ claim, breaks, violations }) =>
    Object.entries(breaks).map(([change, breakIt]) => ({ claim, change, breakIt, violations })),
  );

  test.each(cases)("$claim: $change", ({ breakIt, violations }) => {
    const fleet = written();
    expect(violations(fleet)).toEqual([]);
    breakIt(fleet);
    expect(violations(fleet)).not.toEqual([]);
  });
});

describe("a schema notices", () => {
  /** Of the YAML of the order service, with a change of its text. */
  const complaintsOf = (from: string, to: string): readonly string[] => {
    const yaml = readFileSync(join(folders.k8s, "base/order.yaml"), "utf8");
    expect(yaml).toContain(from);
    return parseManifests(yaml.replace(from, to)).flatMap(schemaComplaints);
  };

  test.each([
    ["a field of the wrong type", "replicas: 2", "replicas: two", /replicas must be integer/u],
    ["a field that is missing", "selector: { matchLabels: *labels }\n  template", "template", /property selector/u],
    ["a field that is misspelt", "enableServiceLinks", "enableServiceLink", /spec\/enableServiceLink is no field/u],
    ["a kind that is misspelt", "kind: Deployment", "kind: Deploy", /no schema/u],
  ])("%s", (_what, from, to, complaint) => {
    expect(complaintsOf("\n", "\n")).toEqual([]);
    expect(complaintsOf(from, to)).toEqual([expect.stringMatching(complaint)]);
  });
});

test("no Secret stands in a file, and no generated one beside the ignored deployment", () => {
  const kustomization = readFileSync(join(folders.k8s, "overlays/development/kustomization.yaml"), "utf8");
  const [parsed] = parseManifests(kustomization) as unknown as [
    { readonly secretGenerator: readonly { readonly files: readonly string[]; readonly literals?: unknown }[] },
  ];
  for (const { files, literals } of parsed.secretGenerator) {
    expect(literals).toBeUndefined();
    expect(files.every((file) => file.startsWith("deployment/"))).toBe(true);
  }
  expect(readFileSync(join(folders.infra, "../.gitignore"), "utf8").split("\n")).toContain(
    "infra/k8s/overlays/development/deployment/",
  );
  // Those that stand there are generated: without a value.
  const values = ofKind(written().manifests, "Secret").flatMap(({ data = {} }) => Object.values(data));
  expect(values.every((value) => value === "")).toBe(true);
});
