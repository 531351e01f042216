/** Where a server is, as the options of a store name it. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** What requests are addressed to, and what messages call the server: `host:port`. */
  readonly authority: string;
}

/** Of a host that has been checked: `host:port`, or a URL of `http` or `https`; `[…]` around an IPv6 address. */
export function addressOf(host: string): Address {
  const authority = host.replace(/^https?:\/\//, '');
  const colon = authority.lastIndexOf(':');
  return {
    host: authority.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(authority.slice(colon + 1)),
    authority,
  };
}
