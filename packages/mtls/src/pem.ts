/** What a PEM text holds under one label. */
export interface PemBlocks {
  /** Each block with its first and last line, and a line end. */
  readonly blocks: readonly string[];
  /** Whether something begins without ending, or ends without beginning: a file that is still being written. */
  readonly unfinished: boolean;
}

const ANY_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Takes a PEM text apart (RFC 7468). Node reads certificates under labels that we do not ask for (`TRUSTED CERTIFICATE`), and of
 * CRLs only the first: so what it is given is put together from the blocks that were found here, and both see the same.
 */
export function pemBlocks(text: string, label: string): PemBlocks {
  const found = [...text.matchAll(ANY_BLOCK)];
  const rest = text.replaceAll(ANY_BLOCK, "");
  return {
    blocks: found.filter(([, its]) => its === label).map(([block]) => `${block}\n`),
    unfinished: rest.includes("-----BEGIN") || rest.includes("-----END"),
  };
}

/** Writes one block. */
export function pemBlock(der: Uint8Array, label: string): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
