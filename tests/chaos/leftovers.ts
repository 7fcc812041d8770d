// What must not be left: the one check that looks beneath the API, at the engine, the process table and the state directory.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { waitUntil } from '../../deploy/local/src/wait-until.ts';
import type { Violation } from './checks.ts';
import { sessionLabel } from './labels.ts';
import { processesWith } from './process-table.ts';
import type { Target } from './target.ts';

/** A runner that did not answer while a session was archived finds out within a minute of its return. */
const GONE_TIMEOUT_MS = 90_000;

/** After these sessions were archived. */
export async function checkSessionsGone(target: Target, sessionIds: readonly string[]): Promise<Violation[]> {
  return await settle(async () => {
    const containers = await target.docker.listContainers({ all: true, filters: { label: [sessionLabel] } });
    const volumes = (await target.docker.listVolumes()).Volumes;
    const directories = (await Promise.all(runnersOf(target).map(sessionDirectories))).flat();
    return sessionIds.flatMap((id) => [
      ...containers.filter(({ Labels }) => Labels[sessionLabel] === id).map(({ Id }) => `container ${Id} of ${id}`),
      ...volumes.filter(({ Name }) => Name.includes(id)).map(({ Name }) => `volume ${Name}`),
      ...directories.filter((name) => name === id).map((name) => `directory of session ${name}`),
    ]);
  });
}

/** Of what the second runner had, once it has come back to sessions that live elsewhere. */
export async function checkSecondRunnerEmpty(target: Target, runnerId: string): Promise<Violation[]> {
  return await settle(async () => {
    const filters = { label: [`worktrail.runner=${runnerId}`] };
    const containers = await target.docker.listContainers({ all: true, filters });
    const volumes = (await target.docker.listVolumes({ filters })).Volumes;
    return [
      ...containers.map(({ Id }) => `container ${Id} of the lost runner`),
      ...volumes.map(({ Name }) => `volume ${Name} of the lost runner`),
      ...(await sessionDirectories(target.secondRunner.dataDirectory)).map(
        (name) => `directory of session ${name} of the lost runner`,
      ),
    ];
  });
}

/** After the cluster was stopped. `archived`: all its sessions had been. */
export async function checkClusterGone(target: Target, archived: boolean): Promise<Violation[]> {
  return await settle(async () => {
    const containers = await target.docker.listContainers({ all: true, filters: { label: [sessionLabel] } });
    // A runner that is lost when a run is interrupted comes back no more.
    const lost = archived ? [] : [target.secondRunner.dataDirectory];
    const isOf = (directory: string) => (container: Docker.ContainerInfo) =>
      container.Mounts.some(({ Source }) => Source.startsWith(directory));
    const ours = containers
      .filter(isOf(target.directory))
      .filter((container) => !lost.some((path) => isOf(path)(container)));
    const found = await Promise.all(
      [target.stateDirectory, target.secondRunner.dataDirectory, target.links.plan.directory].map(processesWith),
    );
    const processes = new Map(found.flat().map((one) => [one.pid, one]));
    const names = [...(await readdir(target.stateDirectory)), ...(await readdir(join(target.stateDirectory, 'run')))];
    const isTrace = (name: string) => name === 'connection.json' || name === 'supervisor.json';
    const sessions = archived ? (await Promise.all(runnersOf(target).map(sessionDirectories))).flat() : [];
    return [
      ...ours.map(({ Id }) => `container ${Id}`),
      ...[...processes.values()].map(({ pid, commandLine }) => `process ${pid}: ${commandLine.slice(0, 200)}`),
      ...names.filter(isTrace).map((name) => `file ${name}`),
      ...sessions.map((name) => `directory of session ${name}`),
    ];
  });
}

function runnersOf(target: Target): string[] {
  return [join(target.stateDirectory, 'runner'), target.secondRunner.dataDirectory];
}

async function sessionDirectories(dataDirectory: string): Promise<string[]> {
  return await readdir(join(dataDirectory, 'sessions')).catch(() => []);
}

async function settle(find: () => Promise<string[]>): Promise<Violation[]> {
  let left: string[] = [];
  const isEmpty = async () => (left = await find()).length === 0;
  await waitUntil(isEmpty, { what: 'leftovers to go', timeoutMs: GONE_TIMEOUT_MS, intervalMs: 200 }).catch(
    () => undefined,
  );
  return left.map((what) => ({ kind: 'orphan', what }));
}
