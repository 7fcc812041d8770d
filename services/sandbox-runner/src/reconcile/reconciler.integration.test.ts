import { existsSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { sessionKey } from '@worktrail/contract/subjects';
import { toolPath } from '@worktrail/testing/tool-paths';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownerFilter, ownerLabels } from '../docker/docker-container-spec.ts';
import { log, newSession, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { createReconciler } from './reconciler.ts';

let bench: RunnerBench;
let dataDirectory: string;
const docker = new Docker({ socketPath: toolPath('WORKTRAIL_DOCKER_SOCKET') });
const runnerId = 'run-test';
const graceMs = 900_000;
const { signal } = new AbortController();
const withWorkflow = new Set<string>();
let nowMs = Date.now();

beforeAll(async () => {
  bench = await startRunnerBench('reconciler');
  dataDirectory = join(bench.path, 'data');
});
afterAll(() => bench.close());

/** As after a restart of the runner, each time. */
const reconciler = () =>
  createReconciler({
    ...{ runnerId, dataDirectory, ...bench.parts(), sessions: bench.sessions, graceMs, log },
    hasWorkflow: async (sessionId) => withWorkflow.has(sessionId),
    clock: () => nowMs,
    signal,
  });
const everybody = () => true;
const examine = (fix: boolean, mayFix: (owner: string | null) => boolean = everybody) =>
  reconciler().examine({ fix, mayFix });
const told = (findings: readonly { kind: string; name: string; action: string }[], sessionId: string) =>
  findings
    .filter((one) => JSON.stringify(one).includes(sessionId))
    .map(({ kind, action }) => `${action} ${kind}`)
    .toSorted();

async function document({ organizationId, sessionId }: OpenSandboxInput, changes: Partial<SessionDocument> = {}) {
  const state = { generation: 1, filesGeneration: 1, state: 'ready', runnerId } as const;
  const stored = { version: 1, id: sessionId, organizationId, ...state, ...changes };
  await bench.sessions.put(sessionKey(organizationId, sessionId), JSON.stringify(stored));
}

/** A container that was never started, and a volume, as a runner of this cluster labels them. */
async function makeOrphans(session: OpenSandboxInput, clusterId = bench.clusterId, owner = runnerId) {
  const labels = ownerLabels({ clusterId, runnerId: owner }, session);
  const image = toolPath('WORKTRAIL_SANDBOX_IMAGE');
  const container = await docker.createContainer({ Image: image, Labels: labels, Cmd: ['true'] });
  const volume = `worktrail-${clusterId}-${session.sessionId}-${owner}-1-workspace`;
  await docker.createVolume({ Name: volume, Labels: labels });
  return { containerId: container.id, volume };
}

async function left(sessionId: string): Promise<string[]> {
  const filters = { label: [`worktrail.session=${sessionId}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const { Volumes } = await docker.listVolumes({ filters });
  const directories = await readdir(join(dataDirectory, 'sessions')).catch(() => []);
  return [
    ...containers.map(() => 'container'),
    ...(Volumes ?? []).map(() => 'volume'),
    ...directories.filter((name) => name === sessionId).map(() => 'directory'),
  ];
}

test('what is of an unknown session is found at once, stays during its grace over a restart, and goes after it', async () => {
  const session = newSession(bench);
  await makeOrphans(session);
  const directory = join(dataDirectory, 'sessions', session.sessionId);
  await mkdir(join(directory, 'run'), { recursive: true });
  const live = newSession(bench);
  await bench.parts().sandboxes.open(live, signal);
  await document(live);

  const found = await examine(true);
  expect(told(found.findings, session.sessionId)).toEqual(['remove container', 'remove directory', 'remove volume']);
  expect(told(found.findings, live.sessionId)).toEqual([]);
  const due = found.findings.find(({ kind }) => kind === 'volume')!.due;
  expect(Date.parse(due!)).toBe(nowMs + graceMs);

  nowMs += graceMs - 1;
  expect((await examine(true)).removed).toEqual([]);
  expect(await left(session.sessionId)).toEqual(['container', 'volume', 'directory']);
  nowMs += 1;
  expect((await examine(false)).removed).toEqual([]);
  expect(
    (await examine(true, (owner) => owner === 'org_other')).removed.map(({ organizationId }) => organizationId),
  ).toEqual([]);
  expect(await left(session.sessionId)).toEqual(['container', 'volume', 'directory']);
  const removed = await examine(true);
  expect(told(removed.removed, session.sessionId)).toEqual(['remove container', 'remove directory', 'remove volume']);
  expect(await left(session.sessionId)).toEqual([]);
  expect(await left(live.sessionId)).toEqual(['container', 'volume', 'volume', 'directory']);
  expect(told((await examine(false)).findings, session.sessionId)).toEqual([]);
});

test('a session that sleeps, and one whose document comes late, keep everything', async () => {
  const asleep = newSession(bench);
  await bench.parts().sandboxes.open(asleep, signal);
  await bench.parts().sandboxes.stop(asleep.sessionId);
  await document(asleep, { state: 'hibernated' });
  const late = newSession(bench);
  await bench.parts().sandboxes.open(late, signal);
  expect(told((await examine(true)).findings, late.sessionId)).not.toEqual([]);
  nowMs += 2 * graceMs;
  await document(late);
  expect((await examine(true)).removed).toEqual([]);
  nowMs += 2 * graceMs;
  expect((await examine(true)).removed).toEqual([]);
  expect(await left(asleep.sessionId)).toEqual(['volume', 'volume', 'directory']);
  expect(await left(late.sessionId)).toEqual(['container', 'volume', 'volume', 'directory']);
});

test('a session that only its workflow knows of keeps everything', async () => {
  const session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
  withWorkflow.add(session.sessionId);
  await examine(true);
  nowMs += graceMs;
  const { removed, findings } = await examine(true);
  expect(told(removed, session.sessionId)).toEqual([]);
  expect(told(findings, session.sessionId)).not.toEqual([]);
  expect(await left(session.sessionId)).toEqual(['container', 'volume', 'volume', 'directory']);
  await document(session);
});

test('of a live session only what its record does not name goes', async () => {
  const session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
  await document(session);
  await makeOrphans(session);
  expect(told((await examine(true)).findings, session.sessionId)).toEqual(['remove container', 'remove volume']);
  nowMs += graceMs;
  expect((await examine(true)).removed).toHaveLength(2);
  expect(await left(session.sessionId)).toEqual(['container', 'volume', 'volume', 'directory']);
  expect(await bench.parts().sandboxes.attach(session)).toBeDefined();
});

test('what is left of a session that has ended goes after its grace', async () => {
  for (const state of ['archived', 'failed'] as const) {
    const session = newSession(bench);
    await bench.parts().sandboxes.open(session, signal);
    await document(session, { state });
    expect((await examine(true)).removed).toEqual([]);
    nowMs += graceMs;
    await examine(true);
    expect(await left(session.sessionId), state).toEqual([]);
  }
});

test('a session that is opened at the moment is left alone, although nobody knows it', async () => {
  const session = newSession(bench);
  const opening = bench.parts().sandboxes.open(session, signal);
  while ((await left(session.sessionId)).length === 0) await delay(1);
  expect(told((await examine(true)).findings, session.sessionId)).toEqual([]);
  await opening;
  await document(session);
});

test('scratch of a mirror that nobody writes goes after its grace; what is being written stays', async () => {
  const mirrors = join(dataDirectory, 'mirrors', newId('organization'));
  const dead = join(mirrors, 'dead.git.new');
  const busy = join(mirrors, 'busy.git.new');
  for (const path of [dead, busy]) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'config'), '');
  }
  const seconds = nowMs / 1_000;
  for (const path of [join(dead, 'config'), dead]) await utimes(path, 0, 0);
  for (const path of [join(busy, 'config'), busy]) await utimes(path, seconds, seconds + 10);
  expect(told((await examine(true)).findings, 'dead.git')).toEqual(['remove leftover']);
  expect(told((await examine(true)).findings, 'busy.git')).toEqual([]);
  nowMs += graceMs;
  await utimes(join(busy, 'config'), nowMs / 1_000 + 10, nowMs / 1_000 + 10);
  expect(told((await examine(true)).removed, 'dead.git')).toEqual(['remove leftover']);
  expect(existsSync(dead)).toBe(false);
  expect(existsSync(busy)).toBe(true);
});

test('two clusters, and two runners, on one engine do not see what is of the other', async () => {
  const others = [newSession(bench), newSession(bench)];
  const foreign = await makeOrphans(others[0]!, `${bench.clusterId}-b`);
  const neighbour = await makeOrphans(others[1]!, bench.clusterId, 'run-other');
  try {
    for (const { sessionId } of others) expect(told((await examine(true)).findings, sessionId)).toEqual([]);
    nowMs += graceMs;
    await examine(true);
    for (const { sessionId } of others) expect(await left(sessionId)).toEqual(['container', 'volume']);
  } finally {
    for (const { containerId, volume } of [foreign, neighbour]) {
      await docker.getContainer(containerId).remove({ force: true });
      await docker.getVolume(volume).remove();
    }
  }
});

test('a network that names no session is told of, and stays', async () => {
  const labels = ownerFilter({ clusterId: bench.clusterId, runnerId });
  const network = await docker.createNetwork({ Name: `${bench.clusterId}-lost`, Internal: true, Labels: labels });
  try {
    const isIt = ({ name }: { name: string }) => name === network.id;
    expect((await examine(true)).findings.find(isIt)).toMatchObject({ kind: 'network', action: 'report', due: null });
    nowMs += 10 * graceMs;
    expect((await examine(true)).removed.filter(isIt)).toEqual([]);
  } finally {
    await network.remove();
  }
});
