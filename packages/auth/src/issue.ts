export { type ApiKeyMode, apiKeyPattern, newApiKey } from "./api-key/format.ts";
export { type ApiKeyRecord, parseApiKeys } from "./api-key/records.ts";
export { newSigningKey } from "./hmac/keys.ts";
export { JsonShapeError } from "./json-shape.ts";
export { Secret } from "./secret.ts";
export {
  newKeyEncryptionKey,
  openSigningKeys,
  type SigningKeyEntry,
  sealSigningKeys,
} from "./stores/sealed-keys.ts";
