// Heads of HTTP messages on their way through the proxy: what belongs to one connection stays on it.

import type { IncomingMessage } from 'node:http';

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
