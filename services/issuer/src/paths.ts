export const TOKEN_PATH = "/oauth/token";
export const REVOCATION_PATH = "/oauth/revoke";
export const JWKS_PATH = "/.well-known/jwks.json";
export const METADATA_PATH = "/.well-known/oauth-authorization-server";
export const DENYLIST_PATH = "/.well-known/revoked-tokens.json";
export const HEALTH_PATH = "/healthz";
