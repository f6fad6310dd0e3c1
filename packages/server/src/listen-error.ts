import { ConfigError } from "./config.ts";

/** The variables that say where. */
const ownVariables = { host: "ZT_HOST", port: "ZT_PORT" };

/** Turns an error of listening into the sentence for the operator; any other error is returned as it is. */
export function listenError(
  error: unknown,
  address: { readonly host: string; readonly port: number },
  variables: { readonly host: string; readonly port: string } = ownVariables,
): Error {
  const where = `${address.host}:${address.port}`;
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return new ConfigError(`Port ${where} is already in use; choose another with ${variables.port}.`);
    case "EACCES":
      return new ConfigError(
        `Port ${where} may not be opened by this user; choose one from 1024 up with ${variables.port}.`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ConfigError(
        `Address ${where} does not belong to this machine; choose another with ${variables.host}.`,
      );
    default:
      return error instanceof Error ? error : new Error(`Port ${where} could not be opened.`, { cause: error });
  }
}

/** The code of a system error, also of one that is the cause of another. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return "code" in error ? error.code : codeOf(error.cause);
}
