import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

test("an API is asked through git's proxy, but not where that is not for", async () => {
  const asked: string[] = [];
  const proxy = createServer((_, response) => response.end());
  proxy.on('connect', ({ url }, socket) => {
    asked.push(url ?? '');
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const script = `
    import { reachHostsAsGit } from ${JSON.stringify(new URL('./host-network.ts', import.meta.url).href)};
    reachHostsAsGit({ https_proxy: ${JSON.stringify(address)}, no_proxy: '127.0.0.1' });
    for (const url of ['https://git.invalid/api', 'https://127.0.0.1:1/api']) await fetch(url).catch(() => undefined);
  `;
  await run(process.execPath, ['--input-type=module', '--eval', script]);
  expect(asked).toEqual(['git.invalid:443']);
  proxy.close();
});
