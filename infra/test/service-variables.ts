import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readIssuerConfig } from "@zero-trust/issuer/config";
import { readOrderConfig } from "@zero-trust/order/config";
import { readPaymentConfig } from "@zero-trust/payment/config";
import { folders } from "./k8s/manifests.ts";

export type ServiceWorkload = "issuer" | "payment-service" | "order-service";

/** A service's own reader of its environment: it throws with a sentence. */
export const configReaders: Readonly<Record<ServiceWorkload, (environment: NodeJS.ProcessEnv) => unknown>> = {
  issuer: readIssuerConfig,
  "payment-service": readPaymentConfig,
  "order-service": readOrderConfig,
};

export function isService(name: string): name is ServiceWorkload {
  return Object.hasOwn(configReaders, name);
}

const top = join(folders.infra, "..");
const variable = /\bZT_[A-Z0-9_]+\b/gu;

/** The variables that a service's schema has; what else stands in its environment has no effect. */
export function variablesOf(workload: ServiceWorkload): ReadonlySet<string> {
  const folder = workload.replace(/-service$/u, "");
  const source = readFileSync(join(top, "services", folder, "src/config.ts"), "utf8");
  // What main.ts does before it reads the configuration.
  const before = readFileSync(join(top, "packages/server/src/run-service.ts"), "utf8");
  return new Set([source, ...spreadInto(source), before].flatMap((text) => text.match(variable) ?? []));
}

/** The declarations of what services share and is spread into a text, `...databaseVariables`, and of what is spread into those. */
function spreadInto(text: string): readonly string[] {
  const shared = globSync("packages/server/src/**/*.ts", { cwd: top }).map((file) =>
    readFileSync(join(top, file), "utf8"),
  );
  return [...text.matchAll(/\.\.\.(\w+Variables)\b/gu)].flatMap(([, name]) => {
    const [declaration] = shared.flatMap((each) => new RegExp(`const ${name}\\b.*?\\n\\n`, "su").exec(each) ?? []);
    if (declaration === undefined) throw new Error(`The variables ${name} are not where they were.`);
    return [declaration, ...spreadInto(declaration)];
  });
}
