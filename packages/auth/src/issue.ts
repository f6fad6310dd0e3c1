export { type ApiKeyMode, apiKeyPattern, newApiKey } from "./api-key/format.ts";
export { newSigningKey } from "./hmac/keys.ts";
export { newKeyEncryptionKey, type SigningKeyEntry, sealSigningKeys } from "./stores/sealed-key-file.ts";
