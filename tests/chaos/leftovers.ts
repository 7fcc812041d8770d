// What must not be left: the one check that looks beneath the API, at the engine, the process table and the state directory.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '../../deploy/local/src/wait-until.ts';
import type { Violation } from './checks.ts';
import { sessionLabel } from './labels.ts';
import { processesWith } from './process-table.ts';
import type { Target } from './target.ts';

const GONE_TIMEOUT_MS = 20_000;

/** After these sessions were archived. */
export async function checkSessionsGone(target: Target, sessionIds: readonly string[]): Promise<Violation[]> {
  return await settle(async () => {
    const containers = await target.docker.listContainers({ all: true, filters: { label: [sessionLabel] } });
    const volumes = (await target.docker.listVolumes()).Volumes;
    const directories = await readdir(join(target.stateDirectory, 'runner', 'sessions')).catch(() => []);
    return sessionIds.flatMap((id) => [
      ...containers.filter(({ Labels }) => Labels[sessionLabel] === id).map(({ Id }) => `container ${Id} of ${id}`),
      ...volumes.filter(({ Name }) => Name.includes(id)).map(({ Name }) => `volume ${Name}`),
      ...directories.filter((name) => name === id).map((name) => `directory of session ${name}`),
    ]);
  });
}

/** After the cluster was stopped, all its sessions archived. */
export async function checkClusterGone(target: Target): Promise<Violation[]> {
  return await settle(async () => {
    const containers = await target.docker.listContainers({ all: true, filters: { label: [sessionLabel] } });
    const ours = containers.filter(({ Mounts }) => Mounts.some(({ Source }) => Source.startsWith(target.directory)));
    const processes = await processesWith(target.stateDirectory);
    const names = [...(await readdir(target.stateDirectory)), ...(await readdir(join(target.stateDirectory, 'run')))];
    const isTrace = (name: string) => name === 'connection.json' || name === 'supervisor.json';
    const sessions = await readdir(join(target.stateDirectory, 'runner', 'sessions')).catch(() => []);
    return [
      ...ours.map(({ Id }) => `container ${Id}`),
      ...processes.map(({ pid, commandLine }) => `process ${pid}: ${commandLine.slice(0, 200)}`),
      ...names.filter(isTrace).map((name) => `file ${name}`),
      ...sessions.map((name) => `directory of session ${name}`),
    ];
  });
}

async function settle(find: () => Promise<string[]>): Promise<Violation[]> {
  let left: string[] = [];
  const isEmpty = async () => (left = await find()).length === 0;
  await waitUntil(isEmpty, { what: 'leftovers to go', timeoutMs: GONE_TIMEOUT_MS, intervalMs: 200 }).catch(
    () => undefined,
  );
  return left.map((what) => ({ kind: 'orphan', what }));
}
