// Names of the outside, resolved without the process's thread pool: slow ones hold up nothing else.

import { Resolver } from 'node:dns/promises';

const lookupTimeoutMs = 3_000;

export type ResolveName = (host: string) => Promise<string[]>;

/** By the host's own name servers, IPv4 first. Answers none where there is none, or none was found in time. */
export function createNameResolver(): ResolveName {
  const resolver = new Resolver({ timeout: lookupTimeoutMs, tries: 2 });
  return async (host) => {
    if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1', '::1'];
    const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  };
}
