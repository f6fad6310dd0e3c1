import { ConfigError } from "./config.ts";

/** Turns an error of listening into the sentence for the operator; any other error is returned as it is. */
export function listenError(error: unknown, address: { readonly host: string; readonly port: number }): Error {
  const where = `${address.host}:${address.port}`;
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return new ConfigError(`Port ${where} is already in use; choose another with ZT_PORT.`);
    case "EACCES":
      return new ConfigError(`Port ${where} may not be opened by this user; choose one from 1024 up with ZT_PORT.`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ConfigError(`Address ${where} does not belong to this machine; choose another with ZT_HOST.`);
    default:
      return error instanceof Error ? error : new Error(`Port ${where} could not be opened.`, { cause: error });
  }
}

/** The code of a system error, also of one that is the cause of another. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return "code" in error ? error.code : codeOf(error.cause);
}
