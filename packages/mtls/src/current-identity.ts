import { inspect } from "node:util";
import type { CheckedMaterial } from "./checked-material.ts";
import type { IdentityRule } from "./identity-rule.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import type { TlsMaterial } from "./tls-material.ts";
import type { Trust } from "./trust.ts";

/** An identity whose certificates can be replaced as a whole. */
export class CurrentIdentity implements TlsIdentity {
  readonly spiffeId: string;
  /** Bound, since who follows an identity often keeps only this. */
  readonly onChange: TlsIdentity["onChange"];
  #checked: CheckedMaterial;
  readonly #listeners = new Set<() => void>();

  constructor(checked: CheckedMaterial) {
    this.spiffeId = checked.svid.spiffeId.uri;
    this.#checked = checked;
    this.onChange = (listener) => {
      // Its own function, so that one listener given twice is two.
      const told = () => listener();
      this.#listeners.add(told);
      return () => this.#listeners.delete(told);
    };
    // Also when it is printed with hidden things and getters, the key is not among them.
    Object.defineProperty(this, inspect.custom, { value: () => this.toJSON() });
  }

  get thumbprint(): string {
    return this.#checked.svid.thumbprint;
  }

  get material(): TlsMaterial {
    return this.#checked.material;
  }

  get trust(): Trust {
    return this.#checked.trust;
  }

  get identityRule(): IdentityRule {
    return this.#checked.identityRule;
  }

  get expiresAtMs(): number {
    return this.#checked.lifetimes[0].endsAtMs;
  }

  protected get checked(): CheckedMaterial {
    return this.#checked;
  }

  protected become(checked: CheckedMaterial): void {
    this.#checked = checked;
    // Those of now: a listener may begin or end another.
    for (const listener of this.#listeners.values().toArray()) {
      guarded(listener);
    }
  }

  /** What is shown of it. */
  toJSON(): object {
    return { spiffeId: this.spiffeId, thumbprint: this.thumbprint };
  }
}

/** Tells somebody who may throw: their failure is theirs, and is warned of, but certificates go on being looked after. */
export function guarded(tell: () => unknown): void {
  const warn = (error: unknown) =>
    process.emitWarning(
      error instanceof Error ? error : new Error("A listener to certificates threw what is no error."),
    );
  try {
    // An async listener gives a promise, whose rejection would be nobody's and end the process.
    Promise.resolve(tell()).catch(warn);
  } catch (error) {
    warn(error);
  }
}
