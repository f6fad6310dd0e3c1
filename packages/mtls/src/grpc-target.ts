import { isIPv4, isIPv6 } from "node:net";

/**
 * What grpc-js resolves to reach one of several servers: a name that has several addresses is for its own resolver, a list
 * of addresses for the schemes `ipv4` and `ipv6`, which take nothing else.
 *
 * @throws {TypeError} for no address, and for several that are not all IP addresses of one family
 */
export function grpcTarget(addresses: string | readonly string[]): string {
  if (typeof addresses === "string") return addresses;
  const [first, ...others] = addresses;
  if (first === undefined) throw new TypeError("A channel needs an address.");
  if (others.length === 0) return first;
  const hosts = addresses.map((address) => address.replace(/:\d+$/u, "").replace(/^\[(.*)\]$/u, "$1"));
  if (hosts.every((host) => isIPv4(host))) return `ipv4:${addresses.join(",")}`;
  if (hosts.every((host) => isIPv6(host))) return `ipv6:${addresses.join(",")}`;
  throw new TypeError("Several addresses must be IP addresses of one family; a name may have several of its own.");
}
