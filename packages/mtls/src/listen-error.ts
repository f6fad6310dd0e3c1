/** What is said of an address that cannot be listened on; the system's own error is the cause. */
export function listenError(host: string, port: number, cause: Error): Error {
  const code = "code" in cause ? cause.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return new Error(`Port ${port} of ${host} is in use; stop what uses it or choose another.`, { cause });
    case "EACCES":
      return new Error(`Port ${port} of ${host} is not for this user; choose one above 1023.`, { cause });
    default:
      return new Error(`Cannot listen on port ${port} of ${host}; check that the address is this machine's.`, {
        cause,
      });
  }
}
