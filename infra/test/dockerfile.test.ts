import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, "utf8");

/** The instructions of a Dockerfile, each with its arguments on one line. */
function instructionsOf(file: string): readonly (readonly [name: string, rest: string])[] {
  const lines = read(`infra/docker/${file}`)
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const [name = "", ...rest] = line.split(/\s+/u);
    return [name, rest.join(" ")];
  });
}

function argumentsOf(file: string, instruction: string): readonly string[] {
  return instructionsOf(file)
    .filter(([name]) => name === instruction)
    .map(([, rest]) => rest);
}

describe.each(["Dockerfile", "faketime.Dockerfile"])("%s", (file) => {
  const instructions = instructionsOf(file);
  const firstFrom = instructions.findIndex(([name]) => name === "FROM");
  const args = new Map(instructions.slice(0, firstFrom).map(([, rest]) => [rest.split("=")[0], rest.split("=")[1]]));

  test("takes every image from an argument that has a default with a tag, or from a stage before", () => {
    const froms = argumentsOf(file, "FROM").map((from) => from.split(" "));
    const images = froms
      .filter(([image], index) => !froms.slice(0, index).some(([, , stage]) => stage === image))
      .map(([image = ""]) => args.get(/^\$\{([A-Z]+)\}$/u.exec(image)?.[1]) ?? `${image}, which no argument names`);
    expect(images.length).toBeGreaterThan(1);
    for (const image of images) expect(image).toMatch(/^\S+:(?!latest)[\w.-]+(?:@sha256:[0-9a-f]{64})?$/u);
    expect(instructions.slice(0, firstFrom).every(([name]) => name === "ARG")).toBe(true);
  });

  test("adds nothing from elsewhere, and copies nothing that its user could write", () => {
    expect(argumentsOf(file, "ADD")).toEqual([]);
    const final = instructions.slice(instructions.findLastIndex(([name]) => name === "FROM"));
    const copies = final.filter(([name]) => name === "COPY").map(([, rest]) => rest);
    expect(copies.length).toBeGreaterThan(0);
    for (const copy of copies) expect(copy).toContain("--chown=0:0");
    expect(final.filter(([name]) => name === "RUN")).toEqual([]);
  });

  test("has no secret in what an image remembers, and needs no frontend from a registry", () => {
    for (const [name, rest] of instructions.filter(([each]) => ["ARG", "ENV", "LABEL"].includes(each)))
      expect(`${name} ${rest}`).not.toMatch(/secret|token|passw|_key|npmrc|_ca\b/iu);
    expect(read(`infra/docker/${file}`)).not.toMatch(/^#\s*syntax=/mu);
  });
});

describe("Dockerfile", () => {
  const [runtime = [], prebuilt = []] = stagesOf("Dockerfile");

  test("runs as a user that is a number other than 0", () => {
    expect(argumentsOf("Dockerfile", "USER")).toEqual(["65532:65532"]);
    expect(runtime).toContainEqual(["USER", "65532:65532"]);
  });

  test("starts the service and its probe without a shell", () => {
    for (const name of ["ENTRYPOINT", "HEALTHCHECK"]) {
      const [, rest = ""] = runtime.find(([each]) => each === name) ?? [];
      const command = JSON.parse(rest.slice(rest.indexOf("["))) as string[];
      expect(command[0]).toBe("node");
    }
    expect(argumentsOf("Dockerfile", "CMD")).toEqual([]);
  });

  test("comes to what was built outside without a step that needs BuildKit or a network", () => {
    expect(prebuilt.map(([name]) => name)).toEqual(["FROM", "COPY"]);
    expect(runtime.filter(([name]) => name === "RUN")).toEqual([]);
  });

  test("reaches for the network in one step only, whose credentials are mounted", () => {
    const steps = argumentsOf("Dockerfile", "RUN");
    const online = steps.filter((step) => !step.includes("--offline") && /npm|npx|curl|apt/u.test(step));
    expect(online).toHaveLength(1);
    expect(online[0]).toMatch(/^--mount=type=secret,id=ca --mount=type=secret,id=npmrc,target=\S+ /u);
  });
});

test("a build in a container sees the workspace alone, without what was installed, built or is secret", () => {
  const [first, ...rest] = read(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(first).toBe("*");
  const secret = ["**/.npmrc", "**/.env*", "**/*.key", "**/*.pem", "**/.stack", "**/node_modules", "**/dist"];
  expect(rest).toEqual(expect.arrayContaining(secret));
  // A later line wins.
  expect(rest.findLastIndex((line) => line.startsWith("!"))).toBeLessThan(rest.indexOf("**/node_modules"));
});

test.each([
  ["runtime", "ZT_BASE_IMAGE", "Dockerfile", "BASE"],
  ["builder", "ZT_BUILDER_IMAGE", "Dockerfile", "BUILDER"],
  ["debian", "ZT_DEBIAN_IMAGE", "faketime.Dockerfile", "DEBIAN"],
])("the %s image is the Dockerfile's, unless %s names another", (kind, variable, file, arg) => {
  const wanted = (environment: Readonly<Record<string, string>>) => {
    const env = { PATH: process.env["PATH"], ...environment };
    return execFileSync("bash", [`${root}infra/docker/base-images.sh`, kind, "--wanted"], { env })
      .toString()
      .trim();
  };
  expect(argumentsOf(file, "ARG")).toContain(`${arg}=${wanted({})}`);
  expect(wanted({ [variable]: "registry.example/base:1" })).toBe("registry.example/base:1");
});

test.each([
  ["postgres", "ZT_POSTGRES_IMAGE"],
  ["valkey", "ZT_VALKEY_IMAGE"],
])("the %s image is that of infra/compose, unless %s names another", (kind, variable) => {
  const wanted = (environment: Readonly<Record<string, string>>) => {
    const env = { PATH: process.env["PATH"], ...environment };
    return execFileSync("bash", [`${root}infra/docker/base-images.sh`, kind, "--wanted"], { env })
      .toString()
      .trim();
  };
  expect(read("infra/compose/compose.yaml")).toContain(`image: \${${variable}:-${wanted({})}}`);
  expect(wanted({})).toMatch(/^\S+:(?!latest)[\w.-]+$/u);
  expect(wanted({ [variable]: "registry.example/base:1" })).toBe("registry.example/base:1");
});

function stagesOf(file: string) {
  const stages: (readonly [name: string, rest: string])[][] = [];
  for (const instruction of instructionsOf(file)) {
    if (instruction[0] === "FROM") stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}
