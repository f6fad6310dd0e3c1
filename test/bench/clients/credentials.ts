import {
  type AuthenticatedChannels,
  apiKey,
  bearer,
  clientCredentials,
  connect,
  hmac,
  type Presenter,
} from "@zero-trust/auth/client";
import { httpsAgent, identityFromMemory, mutualTlsChannels } from "@zero-trust/mtls";
import { audience, client, scope, trustDomain } from "../material.ts";
import type { ClientGiven, Presented } from "./given.ts";

/** Channels whose calls carry what a case presents; a token is from the authorization server, as those of our services are. */
export function withCredentials({ material, port, presents }: ClientGiven): AuthenticatedChannels {
  const identity = identityFromMemory(material.tls);
  const [first] = material.signingKeys;
  if (first === undefined) throw new TypeError("There is no signing key.");
  const { id: keyId, secret } = first;
  const serverId = `spiffe://${trustDomain}/ping`;
  const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${port}`, serverId });
  const presenters: Readonly<Record<Presented, () => Presenter>> = {
    API_KEY: () => apiKey({ key: material.apiKey }),
    BEARER: () =>
      bearer({
        tokens: clientCredentials({
          tokenEndpoint: new URL(`https://${material.issuerAddress}/oauth/token`),
          agent: httpsAgent({ identity, serverId: `spiffe://${trustDomain}/issuer` }),
          clientId: client,
          audience,
          scopes: [scope],
        }),
      }),
    HMAC: () => hmac({ keyId, secret }),
  };
  return connect({ channels, credentials: presents.map((each) => presenters[each]()) });
}
