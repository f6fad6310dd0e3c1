const REDACTED = "[redacted]";

/** Deeper objects than this are not written: a log record is a line to read, not a dump. */
const MAX_DEPTH = 6;

/** Names, without case, `-` and `_`, whose value is a secret wherever it stands; `x-` in front makes no difference. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  "accesstoken",
  "apikey",
  "assertion",
  "authorization",
  "clientassertion",
  "clientsecret",
  "cookie",
  "idtoken",
  "key",
  "material",
  "nonce",
  "passphrase",
  "password",
  "privatekey",
  "proxyauthorization",
  "refreshtoken",
  "secret",
  "secrets",
  "setcookie",
  "signature",
  "signingsecret",
  "token",
]);

/** What a secret of this project looks like when it turns up inside a text. */
const SECRET_TEXT: RegExp = new RegExp(
  [
    String.raw`\bsk-(?:live|test)-[\w-]+`, // API key
    String.raw`\bhs-[\w-]{43}`, // signing secret
    String.raw`\beyJ[\w-]+\.[\w-]*\.[\w-]*`, // JWT
    String.raw`\bBasic +[\w.~+/=-]+`, // value of an authorization header
    // The same of a token; but not the rule of a decision, `BEARER read:orders`: no token has a colon.
    String.raw`\bBearer +(?![a-z]+:[a-z])[\w.~+/=-]+`,
    "-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
  ].join("|"),
  "gisu",
);

/** Says whether a field of this name holds a secret, whatever its value: `x-api-key` does, `keyId` does not. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[-_]/gu, "");
  return SECRET_NAMES.has(plain) || (plain.startsWith("x") && SECRET_NAMES.has(plain.slice(1)));
}

/** Returns the text with everything that looks like one of our secrets replaced. */
export function redactText(text: string): string {
  return text.replaceAll(SECRET_TEXT, REDACTED);
}

/**
 * Returns a copy that is safe to write: fields with secret names replaced, errors reduced to name, code, message and
 * stack (their other properties may hold a request), bytes to their length, cycles and depths cut.
 */
export function redact(value: unknown): unknown {
  return redactAt(value, 0);
}

function redactAt(value: unknown, depth: number): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return value;
  if (depth >= MAX_DEPTH) return "[deep]";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactAt(item, depth + 1));
  // fromEntries defines fields, it does not assign them: one named `__proto__` stays data.
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, isSecretName(name) ? REDACTED : redactAt(item, depth + 1)]),
  );
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  return {
    type: error.name,
    message: redactText(error.message),
    ...("code" in error && ["string", "number"].includes(typeof error.code) ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redactAt(error.cause, depth + 1) }),
  };
}
