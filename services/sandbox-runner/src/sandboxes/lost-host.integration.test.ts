import type { RestorePoint } from '@worktrail/contract/checkpoints';
import { newId } from '@worktrail/contract/ids';
import type { CheckpointInput, OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { sessionKey } from '@worktrail/contract/subjects';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type BenchRunner,
  log,
  newSession,
  plainEnvironment,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';
import { removeStaleSessions } from './stale-sessions.ts';

let bench: RunnerBench;
let other: BenchRunner;
beforeAll(async () => {
  bench = await startRunnerBench('lost-host');
  other = await bench.addRunner();
});
afterAll(() => bench.close());

const { signal } = new AbortController();

const output = (session: OpenSandboxInput, text: string, runner: BenchRunner = bench) => runner.output(session, text);

const left = (session: OpenSandboxInput, runner: BenchRunner = bench) => runner.left(session);

/** Takes the session's first checkpoint; answers what its workflow then knows. */
async function checkpoint(session: OpenSandboxInput, baseCommit: string): Promise<RestorePoint> {
  const { sandboxes, checkpoints } = bench.parts();
  const request: CheckpointInput = {
    ...session,
    checkpointId: newId('checkpoint'),
    number: 1,
    label: '',
    commandId: '',
    previous: null,
    baseCommit,
    bundles: [],
    compact: false,
    evenIfUnchanged: true,
  };
  const taken = await checkpoints.take((await sandboxes.attach(session))!, request, signal);
  if (!taken.changed) throw new Error('nothing was taken');
  const { id, number, commit, tree } = taken.checkpoint;
  const bundles = [{ ...taken.bundle, upTo: number }];
  return { baseCommit, checkpoint: { id, number, commit, tree }, bundles, archive: null };
}

const next = (session: OpenSandboxInput, restore: RestorePoint): OpenSandboxInput => ({
  ...session,
  generation: session.generation + 1,
  filesGeneration: session.generation,
  restore,
});

async function workedSession(persist: string[] = []): Promise<{ session: OpenSandboxInput; restore: RestorePoint }> {
  const session = newSession(bench, { environment: { ...plainEnvironment, persist } });
  const { baseCommit } = await bench.parts().sandboxes.open(session, signal);
  await output(
    session,
    `echo cache > .gitignore; git add . && git commit -qm mine; mkdir cache; echo c > cache/c
    echo untracked > untracked; echo '#!/bin/sh' > run.sh; chmod 755 run.sh; echo t > ~/.tool; echo changed >> README.md`,
  );
  return { session, restore: await checkpoint(session, baseCommit) };
}

const look = 'git log --format=%s -1; git status --short; stat -c %a run.sh; cat untracked cache/c ~/.tool 2>&1';

test('a session whose host is lost opens on another one from its checkpoint; the host that comes back takes away its own', async () => {
  const { session, restore } = await workedSession();
  await output(session, 'echo later > later');
  const second = next(session, restore);
  const opened = await other.parts().sandboxes.open(second, signal);
  expect(opened).toMatchObject({ from: 'checkpoint', baseCommit: restore.baseCommit });
  expect(opened.notKept).toEqual(expect.arrayContaining(['ignored files', 'modes but for the executable bit']));
  expect(await output(second, 'git rev-parse HEAD', other)).toBe(`${opened.headCommit}\n`);
  const seen = await output(second, look, other);
  expect(seen).toMatch(/^mine\n M README\.md\n\?\? run\.sh\n\?\? untracked\n755\nuntracked\n/);
  expect(seen).not.toContain('later');
  const document = { generation: 2, filesGeneration: 2, state: 'ready' };
  await bench.sessions.put(sessionKey(session.organizationId, session.sessionId), JSON.stringify(document));
  await removeStaleSessions({ ...bench.parts(), sessions: bench.sessions, log }, signal);
  expect(await left(session)).toEqual([]);
  expect(await left(session, other)).toEqual(['container', 'volume', 'volume', 'directory']);
});

test('over the limit of an archive a session opens elsewhere from checkpoint and persisted paths together', async () => {
  const { session, restore } = await workedSession(['cache', '~/.tool']);
  await output(session, 'head -c 400000 /dev/urandom > .git/large');
  const { persist } = session.environment;
  const hibernating = { ...session, persist, archiveBytesMax: 200_000 };
  const { archive } = await bench.parts().sandboxes.hibernate(hibernating, signal);
  expect(archive?.kind).toBe('persist');
  const second = next(session, { ...restore, archive });
  expect(await other.parts().sandboxes.open(second, signal)).toMatchObject({ from: 'checkpoint' });
  expect(await output(second, look, other)).toMatch(/755\nuntracked\nc\nt\n$/);
});

test('volumes that vanished, and an archive that did, are made up for by the checkpoint', async () => {
  const { session, restore } = await workedSession();
  const { archive } = await bench
    .parts()
    .sandboxes.hibernate({ ...session, persist: [], archiveBytesMax: 10_000_000 }, signal);
  await bench.artifacts.delete(archive!.artifact.name);
  const elsewhere = next(session, { ...restore, archive });
  expect(await other.parts().sandboxes.open(elsewhere, signal)).toMatchObject({ from: 'checkpoint' });
  const { driver } = bench.parts();
  for (const { name } of await driver.listVolumes(session.sessionId)) await driver.removeVolume(name);
  // The third generation, after one that no command ran in.
  const here = { ...next(session, restore), generation: 3 };
  expect(await bench.parts().sandboxes.open(here, signal)).toMatchObject({ from: 'checkpoint' });
  expect(await output(here, look)).toContain('755\nuntracked\n');
});

test('where neither archive nor bundles are in the store any more the workspace is said to be lost', async () => {
  const { session, restore } = await workedSession();
  await bench.artifacts.delete(restore.bundles[0]!.name);
  await expect(other.parts().sandboxes.open(next(session, restore), signal)).rejects.toMatchObject({
    code: 'workspace_lost',
  });
  expect(await left(session, other)).toEqual([]);
});

test('an opening from a checkpoint that dies midway is made anew', async () => {
  const { session, restore } = await workedSession();
  const second = next(session, restore);
  const aborter = new AbortController();
  const opening = other.parts().sandboxes.open(second, aborter.signal);
  await expect.poll(() => left(session, other), { interval: 1 }).toContain('container');
  aborter.abort();
  await expect(opening).rejects.toThrow();
  expect(await left(session, other)).toEqual([]);
  expect(await other.parts().sandboxes.open(second, signal)).toMatchObject({ from: 'checkpoint' });
  expect(await output(second, look, other)).toContain('755\nuntracked\n');
});
