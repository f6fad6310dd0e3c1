export { type ApiKeyOptions, apiKey } from "./api-key/client.ts";
export { type BearerOptions, bearer } from "./bearer/client.ts";
export {
  type ClientCredentialsOptions,
  clientCredentials,
  type TokenSource,
  TokenUnavailable,
} from "./bearer/token-source.ts";
export { type AuthenticatedChannels, type ConnectOptions, connect } from "./connect.ts";
export { type HmacOptions, hmac } from "./hmac/client.ts";
export type { AttemptFacts, PresentedRefusal, Presenter } from "./presenter.ts";
