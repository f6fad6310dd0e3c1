/**
 * The key of the option that switches `protect()` to shadow mode: every call is decided and logged, and let in whatever was
 * decided. A symbol, so that no configuration file and no typing error can ever be this key.
 *
 * @deprecated In shadow mode nothing is protected. It is for the days in which a running service adopts `protect()`: read what the
 *   decision log says it `would-refuse`, mend it, and take this option out.
 * @example
 * ```ts
 * import { type ProtectOptions, protect, unsafeShadowMode } from "@zero-trust/auth/server";
 *
 * export const watching = (options: ProtectOptions) => protect({ ...options, [unsafeShadowMode]: true });
 * ```
 */
export const unsafeShadowMode: unique symbol = Symbol("protect() lets every call in");
