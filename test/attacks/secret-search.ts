/** The shortest piece of a secret that is looked for, in characters. */
const pieceLength = 16;

/** Looks for secrets: each as it is, in Base64 of any alignment and alphabet, and in hexadecimal, whole or any piece of it. */
export class SecretSearch {
  readonly #secrets: ReadonlyMap<string, Buffer>;
  readonly #nameOf = new Map<string, string>();

  /** @param secrets - by their names */
  constructor(secrets: ReadonlyMap<string, Buffer>) {
    this.#secrets = secrets;
    for (const [name, secret] of secrets) {
      for (const form of formsOf(secret)) {
        for (const piece of piecesOf(form)) this.#nameOf.set(piece, name);
      }
    }
  }

  /** How many secrets are looked for. */
  get count(): number {
    return this.#secrets.size;
  }

  /** Whether a piece of any secret, in any form, is not found where it stands among other things: it finds all, or none is safe. */
  overlooks(): boolean {
    const planted = [...this.#secrets.values()].flatMap(formsOf).map((form) => `"${form.slice(2, 2 + pieceLength)}"`);
    return planted.some((text) => this.namesIn(text).length === 0);
  }

  /** The names of the secrets of which there is a piece in a text, whose characters are bytes. */
  namesIn(text: string): readonly string[] {
    const found = new Set<string>();
    for (const piece of piecesOf(text)) {
      const name = this.#nameOf.get(piece);
      if (name !== undefined) found.add(name);
    }
    return [...found];
  }
}

/** A secret as it could stand in a log, a file or an answer. */
function formsOf(secret: Buffer): readonly string[] {
  const hexadecimal = secret.toString("hex");
  // With up to two bytes before it, so that it is found in the Base64 of something larger.
  const encoded = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), secret])
      .toString("base64url")
      .slice(Math.ceil((before * 8) / 6), -1),
  );
  const plain = encoded.map((form) => form.replaceAll("-", "+").replaceAll("_", "/"));
  return [secret.toString("latin1"), hexadecimal, hexadecimal.toUpperCase(), ...encoded, ...plain];
}

function* piecesOf(text: string): Generator<string> {
  for (let start = 0; start + pieceLength <= text.length; start += 1) yield text.slice(start, start + pieceLength);
}
