/** The grammar of client ids: one namespace for grants, tokens and keys. */
export const clientId: RegExp = /^[a-z0-9][a-z0-9-]{0,62}$/;
