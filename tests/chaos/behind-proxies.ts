// Starts a service of the cluster with proxies in place of what it connects to.

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServiceName } from '../../deploy/local/src/process-names.ts';
import type { Dependency, LinkName, LinkPlan } from './links.ts';

const VARIABLES: Record<Dependency, string> = {
  nats: 'WORKTRAIL_NATS_URL',
  temporal: 'WORKTRAIL_TEMPORAL_ADDRESS',
  'trace-store': 'WORKTRAIL_TRACE_STORE_URL',
};

export async function startBehindProxies(name: LinkName): Promise<void> {
  const plan = JSON.parse(process.env['CHAOS_LINKS']!) as LinkPlan;
  const service: ServiceName = name === 'second-runner' ? 'sandbox-runner' : name;
  if (name === 'sandbox-runner') await note(environmentFile(plan.directory), process.env);
  for (const [dependency, port] of Object.entries(plan.ports[name]) as [Dependency, number][]) {
    const variable = VARIABLES[dependency];
    const given = process.env[variable]!;
    const hasScheme = given.includes('://');
    const url = new URL(hasScheme ? given : `tcp://${given}`);
    await note(join(plan.directory, dependency), { host: url.hostname, port: Number(url.port) });
    const scheme = hasScheme ? `${url.protocol}//` : '';
    process.env[variable] = `${scheme}127.0.0.1:${port}`;
  }
  const main = join(import.meta.dirname, '../../services', service, 'src/main.ts');
  await import(pathToFileURL(main).href);
}

/** What the cluster's own runner was started with, for a second one. */
export function environmentFile(directory: string): string {
  return join(directory, 'runner-environment.json');
}

/** Several services note the same address at the same time. */
async function note(path: string, what: object): Promise<void> {
  const own = `${path}.${process.pid}`;
  await writeFile(own, JSON.stringify(what), { mode: 0o600 });
  await rename(own, path);
}
