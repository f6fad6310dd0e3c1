import { defineConfig, type ViteUserConfigFnObject } from "vitest/config";

// Sibling packages resolve to their sources, so that no test needs a build. Without "import", which is there anyway for what is
// imported: said aloud, it would be for `require` too, and give a CommonJS package the wrong half of another.
const conditions = ["source", "module", "node", "default"];

/**
 * One configuration for every package; each runs it with itself as the root. `--mode attacks` runs the catalogue alone, `--mode
 * e2e` the catalogue and whatever else needs a container engine; `--mode browser` the tests that need one, `--mode interop` those that need other languages;
 * `--mode adopt` those that install packages.
 */
const config: ViteUserConfigFnObject = defineConfig(({ mode }) => {
  const e2e = mode === "e2e";
  const folder = {
    attacks: "attacks",
    e2e: "{attacks,e2e}",
    browser: "browser",
    interop: "interop-foreign",
    adopt: "adopt",
  }[mode];
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: conditions } },
    test: {
      include:
        folder === undefined
          ? [
              "{src,test,attacks,bench,report,catalogue,threats,stack,fleet,kills,processes,scaling,interop,mutants,standards,traps}/**/*.test.ts",
              "examples/*.test.ts",
            ]
          : [`${folder}/**/*.test.ts`],
      // Files share nothing but the machine.
      isolate: true,
      slowTestThreshold: 5_000,
      // A bound for what hangs, not for what is slow: a busy machine takes three times as long.
      testTimeout: e2e ? 120_000 : 60_000,
      hookTimeout: e2e ? 300_000 : 60_000,
      reporters: ["default", "json"],
      outputFile: { json: folder === undefined ? ".vitest/report.json" : `.vitest/${mode}.json` },
      expect: { requireAssertions: true },
    },
  };
});

export default config;
