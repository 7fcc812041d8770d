// The connections between the parts of a cluster, each through a proxy of its own, so that one part can be cut off from all others.
//
// A service is started behind its proxies by an entry file (`behind-proxies.ts`) that notes the real addresses, which are known only
// once the cluster has chosen its ports, and hands the proxies' addresses on.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServiceName } from '../../deploy/local/src/process-names.ts';
import type { FaultProcess } from './faults.ts';
import { type Address, startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export const DEPENDENCIES = ['nats', 'temporal', 'trace-store'] as const;
export type Dependency = (typeof DEPENDENCIES)[number];

/** Who has proxies of its own: each service, and a second process of the sandbox-runner. */
export type LinkName = ServiceName | 'second-runner';

/** What `behind-proxies.ts` is told, as JSON in CHAOS_LINKS. */
export interface LinkPlan {
  directory: string;
  ports: Record<LinkName, Partial<Record<Dependency, number>>>;
}

export interface Links {
  readonly plan: LinkPlan;
  /** An entry file for each, in place of the service's own. */
  readonly entries: Record<LinkName, string>;
  cut(name: FaultProcess): void;
  mend(name: FaultProcess): void;
  /** The process was killed: the kernel closes its connections at once, and so do the proxies. */
  drop(name: FaultProcess | LinkName): void;
  close(): Promise<void>;
}

const USES: Record<LinkName, readonly Dependency[]> = {
  gateway: DEPENDENCIES,
  orchestrator: DEPENDENCIES,
  'sandbox-runner': DEPENDENCIES,
  'second-runner': DEPENDENCIES,
  'trace-store': ['nats'],
};

/** `gatewayProxy` stands between the clients and the gateway. */
export async function openLinks(directory: string, gatewayProxy: TcpProxy): Promise<Links> {
  await mkdir(directory, { recursive: true });
  const proxies: { from: string; to: string; proxy: TcpProxy }[] = [
    { from: 'client', to: 'gateway', proxy: gatewayProxy },
  ];
  const ports = Object.fromEntries(Object.keys(USES).map((from) => [from, {}])) as LinkPlan['ports'];
  const entries: Partial<Record<LinkName, string>> = {};
  for (const from of Object.keys(USES) as LinkName[]) {
    for (const to of USES[from]) {
      const proxy = await startTcpProxy(() => readAddress(join(directory, to)));
      proxies.push({ from, to, proxy });
      ports[from][to] = proxy.port;
    }
    const entry = join(directory, `${from}.mjs`);
    const starter = pathToFileURL(join(import.meta.dirname, 'behind-proxies.ts')).href;
    const lines = [
      `import { startBehindProxies } from ${JSON.stringify(starter)};`,
      `await startBehindProxies(${JSON.stringify(from)});`,
    ];
    await writeFile(entry, `${lines.join('\n')}\n`);
    entries[from] = entry;
  }
  const of = (name: string) => proxies.filter(({ from, to }) => from === name || to === name);
  return {
    plan: { directory, ports },
    entries: entries as Record<LinkName, string>,
    cut: (name) => of(name).forEach(({ proxy }) => proxy.cut()),
    mend: (name) => of(name).forEach(({ proxy }) => proxy.mend()),
    drop: (name) => of(name).forEach(({ proxy }) => proxy.drop()),
    close: async () => void (await Promise.all(proxies.map(({ proxy }) => proxy.close()))),
  };
}

async function readAddress(path: string): Promise<Address> {
  return JSON.parse(await readFile(path, 'utf8')) as Address;
}
