// Heads of HTTP messages on their way through the proxy: what belongs to one connection stays on it.

import type { IncomingMessage } from 'node:http';
import { type Destination, parseDestination } from './egress-rules.ts';

const hopByHop = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'host'],
]);

/** As they came, in order, without what is for this connection alone; what `Connection` names is. */
export function passedOnHeaders({ rawHeaders, headers }: Pick<IncomingMessage, 'rawHeaders' | 'headers'>): string[] {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const passed: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (!hopByHop.has(name) && !named.includes(name))
      passed.push(rawHeaders[at] as string, rawHeaders[at + 1] as string);
  }
  return passed;
}

export interface AbsoluteTarget {
  to: Destination;
  /** As the client wrote it: what goes out as `Host`. */
  authority: string;
  /** Path and query, byte for byte: a signature may stand over them. */
  path: string;
}

/** Of a request by its whole address; undefined for what is none of `http://`, or tells a user. */
export function absoluteTarget(url: string): AbsoluteTarget | undefined {
  const [, authority = '', rest = ''] = /^http:\/\/([^/?#@\\\s]+)([/?][^#\s]*)?$/i.exec(url) ?? [];
  const to = parseDestination(/:\d+$/.test(authority) ? authority : `${authority}:80`);
  return to && { to, authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}
