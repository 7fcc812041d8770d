/**
 * The containers of a cluster's own engine, at its end: all are removed and their volumes kept, so that no process outlives the engine.
 * Where it does not answer, their processes are ended without it.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import Docker from 'dockerode';
import { signalQuietly } from './process-identity.ts';
import { waitUntil } from './wait-until.ts';

const KILLED_TIMEOUT_MS = 3_000;

const REMOVALS_AT_ONCE_MAX = 8;

export async function removeAllContainers(socket: string): Promise<number> {
  const docker = new Docker({ socketPath: socket, timeout: 10_000 });
  const containers = await docker.listContainers({ all: true });
  const waiting = [...containers];
  const removeNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      await docker.getContainer(next.Id).remove({ force: true, v: false }).catch(ignoreGone);
    }
  };
  await Promise.all(Array.from({ length: REMOVALS_AT_ONCE_MAX }, removeNext));
  return containers.length;
}

function ignoreGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
}

/**
 * Once the engine itself has ended: kills what it left behind, containers first. Each container has a keeper, which the engine's exec
 * root is named to on its command line and whose children are the container's first processes.
 */
export async function endContainersLeft(execRoot: string): Promise<void> {
  const noneLeft = async () => {
    const keepers = await keepersOf(execRoot);
    const children = await childrenOf(keepers);
    for (const pid of [...children, ...keepers]) signalQuietly(pid, 'SIGKILL');
    return keepers.length + children.length === 0;
  };
  await waitUntil(noneLeft, { what: 'the containers of the engine to end', timeoutMs: KILLED_TIMEOUT_MS });
}

async function keepersOf(execRoot: string): Promise<number[]> {
  return await processesWhere(async (pid) => {
    const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return basename(program).startsWith('containerd') && args.some((arg) => arg.startsWith(`${execRoot}/`));
  });
}

async function childrenOf(parents: number[]): Promise<number[]> {
  if (parents.length === 0) return [];
  return await processesWhere(async (pid) => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state !== 'Z' && parents.includes(Number(parent));
  });
}

async function processesWhere(matches: (pid: number) => Promise<boolean>): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const found = await Promise.all(pids.map((pid) => matches(pid).catch(() => false)));
  return pids.filter((_, index) => found[index]);
}
