import { readFileSync } from "node:fs";
import { type HmacOptions, hmac } from "@zero-trust/auth/client";
import { ConfigError } from "@zero-trust/server";

/**
 * Makes the signer of outgoing requests, with the secret from a file.
 *
 * @throws ConfigError naming what is wrong with the file or the key id; neither is quoted
 */
export function signerFromFile(options: { readonly keyId: string; readonly path: string }): ReturnType<typeof hmac> {
  const { keyId, path } = options;
  try {
    return hmac({ keyId, secret: read(path).trim() } satisfies HmacOptions);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `The signing key of ZT_SIGNING_KEY_ID and ${path} cannot be used: ${(error as Error).message}`,
    );
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "ascii");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new ConfigError(
      `The signing secret ${path} cannot be read (${code}): name its file in ZT_SIGNING_SECRET_FILE.`,
    );
  }
}
