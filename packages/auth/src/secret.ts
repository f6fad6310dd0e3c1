import { inspect } from "node:util";

/**
 * A text that does not print: whatever writes it (a template, JSON, a log, an assertion that fails) writes `[secret]`. To
 * whoever compares objects in depth any two are equal: compare what they expose.
 *
 * @example
 * ```ts
 * import { newApiKey } from "@zero-trust/auth/issue";
 *
 * const { key } = newApiKey("live");
 * console.log(key); // [secret]
 * process.stdout.write(key.expose()); // once, to whoever it is for
 * ```
 */
export class Secret {
  readonly #text: string;

  static {
    Object.defineProperty(Secret.prototype, inspect.custom, { value: () => "[secret]" });
  }

  /**
   * @param text - what must not be printed
   * @throws TypeError when it is not a text, or is empty; it is not repeated
   */
  constructor(text: string) {
    if (typeof text !== "string" || text === "") throw new TypeError("A secret is a text that is not empty.");
    this.#text = text;
  }

  /** The text itself. Where this is called, a secret leaves: to a file, to a digest, to whoever it is for. */
  expose(): string {
    return this.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }
}

/** The text of a secret that may have come as one. */
export function exposed(secret: string | Secret): string {
  return typeof secret === "string" ? secret : secret.expose();
}
