import { defineConfig, type ViteUserConfigFnObject } from "vitest/config";
import { storeSuites } from "./test/e2e/store-suites.ts";

// Sibling packages resolve to their sources, so that no test needs a build. Without "import", which is there anyway for what is
// imported: said aloud, it would be for `require` too, and give a CommonJS package the wrong half of another.
const conditions = ["source", "module", "node", "default"];

/**
 * One configuration for every package; each runs it with itself as the root. `--mode attacks` runs the catalogue alone, `--mode
 * e2e` the catalogue and whatever else needs a container engine; `--mode browser` the tests that need one, `--mode interop` those that need other languages;
 * `--mode adopt` those that install packages. `--mode stores` runs, with this folder as the root, the suites that run against stores.
 */
const config: ViteUserConfigFnObject = defineConfig(({ mode }) => {
  const inContainers = mode === "e2e" || mode === "stores";
  const include: readonly string[] | undefined = {
    attacks: ["attacks/**/*.test.ts"],
    e2e: ["{attacks,e2e}/**/*.test.ts"],
    stores: mode === "stores" ? storeSuites(import.meta.dirname) : [],
    browser: ["browser/**/*.test.ts"],
    interop: ["interop-foreign/**/*.test.ts"],
    adopt: ["adopt/**/*.test.ts"],
  }[mode];
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: conditions } },
    test: {
      include: [
        ...(include ?? [
          "{src,test,attacks,bench,report,catalogue,threats,stack,fleet,kills,processes,scaling,interop,mutants,standards,traps}/**/*.test.ts",
          "examples/*.test.ts",
        ]),
      ],
      // Files share nothing but the machine.
      isolate: true,
      slowTestThreshold: 5_000,
      // A bound for what hangs, not for what is slow: a busy machine takes three times as long.
      testTimeout: inContainers ? 120_000 : 60_000,
      hookTimeout: inContainers ? 300_000 : 60_000,
      reporters: ["default", "json"],
      outputFile: { json: include === undefined ? ".vitest/report.json" : `.vitest/${mode}.json` },
      expect: { requireAssertions: true },
    },
  };
});

export default config;
