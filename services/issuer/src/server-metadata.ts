import { ASSERTION_ALGORITHMS } from "./client-key.ts";
import { JWKS_PATH, REVOCATION_PATH, TOKEN_PATH } from "./paths.ts";

const AUTHENTICATION = {
  methods: ["tls_client_auth", "client_secret_basic", "private_key_jwt"],
  algorithms: ASSERTION_ALGORITHMS,
};

/** What the issuer says about itself (RFC 8414, section 2, with RFC 8705, section 3.3). */
export function serverMetadata(issuer: string): Readonly<Record<string, unknown>> {
  return {
    issuer,
    token_endpoint: `${issuer}${TOKEN_PATH}`,
    jwks_uri: `${issuer}${JWKS_PATH}`,
    grant_types_supported: ["client_credentials"],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: AUTHENTICATION.methods,
    token_endpoint_auth_signing_alg_values_supported: AUTHENTICATION.algorithms,
    revocation_endpoint: `${issuer}${REVOCATION_PATH}`,
    revocation_endpoint_auth_methods_supported: AUTHENTICATION.methods,
    revocation_endpoint_auth_signing_alg_values_supported: AUTHENTICATION.algorithms,
    tls_client_certificate_bound_access_tokens: true,
  };
}
