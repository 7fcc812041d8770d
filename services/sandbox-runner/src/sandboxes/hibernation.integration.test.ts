import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RestorePoint, SessionArchive } from '@worktrail/contract/checkpoints';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SandboxGone } from '../commands/command-execution.ts';
import {
  activityRun,
  type BenchRunner,
  newCommand,
  newSession,
  plainEnvironment,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';
import { StaleGeneration } from '../sessions/session-failure.ts';

let bench: RunnerBench;
let other: BenchRunner;
beforeAll(async () => {
  bench = await startRunnerBench('hibernation');
  other = await bench.addRunner();
});
afterAll(() => bench.close());

const { signal } = new AbortController();
const archiveBytesMax = 50_000_000;

const output = (session: OpenSandboxInput, text: string, runner: BenchRunner = bench) => runner.output(session, text);

/** Of everything in work tree and home: names, modes, targets, content, and what git says. */
const survey = `find . ~ -mindepth 1 ! -path './.git/*' -printf '%P %y %m %l %T@\\n' | grep -v ' d ' | sort
find . ~ -type f ! -path './.git/*' -exec sha256sum {} + | sort
git status --porcelain=v2 --branch --ignored; git log --oneline; git stash list; git fsck 2>&1`;

const fill = `echo ignored-dir/ > .gitignore; git add . && git commit -qm mine; mkdir ignored-dir
echo kept > ignored-dir/file; echo untracked > 'un tracked
name'; echo '#!/bin/sh' > run.sh; chmod 755 run.sh; ln -s /etc/passwd link; ln run.sh hard; chmod 640 README.md
echo staged > staged; git add staged; echo stash >> src/index.js; git stash -q; echo changed >> src/index.js
mkdir -p ~/.cache/deep; head -c 100000 /dev/urandom > ~/.cache/deep/blob; chmod 700 ~/.cache; mkfifo pipe; rm pipe`;

const next = (session: OpenSandboxInput, restore: RestorePoint | null): OpenSandboxInput => ({
  ...session,
  generation: session.generation + 1,
  filesGeneration: session.generation,
  restore,
});

async function hibernate(session: OpenSandboxInput, changes: object = {}, runner: BenchRunner = bench) {
  const input = { ...session, persist: session.environment.persist, archiveBytesMax, ...changes };
  return runner.parts().sandboxes.hibernate(input, signal);
}

/** What there is of the session on a runner. */
const left = (session: OpenSandboxInput, runner: BenchRunner = bench) => runner.left(session);

async function hibernatedSession(): Promise<{
  session: OpenSandboxInput;
  restore: RestorePoint;
  before: string;
  archive: SessionArchive;
}> {
  const session = newSession(bench);
  const { baseCommit } = await bench.parts().sandboxes.open(session, signal);
  await output(session, fill);
  const before = await output(session, survey);
  const { archive } = await hibernate(session);
  return { session, before, archive: archive!, restore: { baseCommit, checkpoint: null, bundles: [], archive } };
}

test('a hibernated session opens on another runner with the same tree, ignored files, modes, links, index, stash and home', async () => {
  const { session, restore, before, archive } = await hibernatedSession();
  expect(archive).toMatchObject({ kind: 'whole', notKept: [] });
  expect(await left(session)).toEqual(['volume', 'volume', 'directory']);
  const resumed = next(session, restore);
  const opened = await other.parts().sandboxes.open(resumed, signal);
  expect(opened).toMatchObject({ from: 'archive', baseCommit: restore.baseCommit, notKept: [] });
  expect(await output(resumed, 'git rev-parse HEAD', other)).toBe(`${opened.headCommit}\n`);
  expect(opened.headCommit).not.toBe(restore.baseCommit);
  expect(await output(resumed, survey, other)).toBe(before);
  expect(before).toContain('ignored-dir/file f 644');
  expect(await other.parts().sandboxes.open(resumed, signal)).toEqual(opened);
  expect(await readdir(join(bench.path, 'data-1', 'sessions', session.sessionId))).not.toContain('archive.tmp');
});

test('on its own runner it opens from its volume, whatever was archived', async () => {
  const { session, restore, before } = await hibernatedSession();
  const resumed = next(session, restore);
  expect(await bench.parts().sandboxes.open(resumed, signal)).toMatchObject({ from: 'volume', notKept: [] });
  expect(await output(resumed, survey)).toBe(before);
});

test('hibernating again answers the same, and the sandbox is gone until it is opened again', async () => {
  const { session, archive } = await hibernatedSession();
  expect(await hibernate(session)).toEqual({ archive });
  await bench.restart();
  expect(await hibernate(session)).toEqual({ archive });
  await expect(bench.parts().commands.run(newCommand(session, 'true'), activityRun())).rejects.toThrow(SandboxGone);
  await expect(hibernate({ ...session, generation: 0 })).rejects.toThrow(StaleGeneration);
  expect(await hibernate(newSession(bench))).toEqual({ archive: null });
  expect(await hibernate({ ...session, generation: 2 })).toEqual({ archive: null });
});

test('a hibernation that could not store its archive is finished by the next attempt', async () => {
  const session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
  await output(session, 'echo mine > mine');
  await expect(
    bench.parts().sandboxes.hibernate({ ...session, persist: [], archiveBytesMax }, AbortSignal.abort()),
  ).rejects.toMatchObject({ name: 'AbortError' });
  expect(await left(session)).toEqual(['volume', 'volume', 'directory']);
  await bench.restart();
  expect(await hibernate(session)).toMatchObject({ archive: { kind: 'whole' } });
});

test('over the limit only what the project persists is archived, and nothing where that is over it too', async () => {
  const session = newSession(bench, { environment: { ...plainEnvironment, persist: ['cache', '~/.tool', 'missing'] } });
  await bench.parts().sandboxes.open(session, signal);
  await output(session, 'mkdir cache; echo c > cache/c; echo t > ~/.tool; head -c 300000 /dev/urandom > big');
  const { archive } = await hibernate(session, { archiveBytesMax: 100_000 });
  expect(archive).toMatchObject({ kind: 'persist', notKept: expect.arrayContaining(['missing: not there']) });
  const large = newSession(bench, { environment: { ...plainEnvironment, persist: ['big'] } });
  await bench.parts().sandboxes.open(large, signal);
  await output(large, 'head -c 300000 /dev/urandom > big');
  expect(await hibernate(large, { archiveBytesMax: 100_000 })).toEqual({ archive: null });
  expect(await hibernate(session, { archiveBytesMax: 0 })).toEqual({ archive });
});

test('an opening from an archive that dies midway is made anew, and its source is untouched', async () => {
  const { session, restore, before } = await hibernatedSession();
  const resumed = next(session, restore);
  const aborter = new AbortController();
  const opening = other.parts().sandboxes.open(resumed, aborter.signal);
  await expect.poll(() => left(session, other), { interval: 1 }).toContain('volume');
  aborter.abort();
  await expect(opening).rejects.toThrow();
  expect(await left(session, other)).toEqual([]);
  // As one that was killed leaves it.
  await other.parts().sandboxes.open(resumed, signal);
  const directory = other.parts().directories.at(session.sessionId);
  const record = (await directory.readRecord())!;
  await output(resumed, 'rm -rf .git ~/.cache', other);
  await directory.writeRecord({
    ...record,
    state: 'creating',
    workspaceReady: false,
    opened: null,
    filesGeneration: 0,
  });
  await other.restart();
  expect(await other.parts().sandboxes.open(resumed, signal)).toMatchObject({ from: 'archive' });
  expect(await output(resumed, survey, other)).toBe(before);
});

test('an opening of the volume whose answer got lost is found by the next generation, and a failed one leaves the volume', async () => {
  const { session, restore, before } = await hibernatedSession();
  const resumed = next(session, restore);
  const failing = { ...resumed, environment: { ...plainEnvironment, image: 'localhost:9/none:1' } };
  await expect(bench.parts().sandboxes.open(failing, signal)).rejects.toMatchObject({ code: 'image_unavailable' });
  const aborter = new AbortController();
  const opening = bench.parts().sandboxes.open(resumed, aborter.signal);
  await expect.poll(() => left(session), { interval: 1 }).toContain('container');
  aborter.abort();
  await expect(opening).rejects.toThrow();
  expect(await bench.parts().sandboxes.open(resumed, signal)).toMatchObject({ from: 'volume' });
  // The workflow never heard of generation 2.
  const third = { ...resumed, generation: 3 };
  expect(await bench.parts().sandboxes.open(third, signal)).toMatchObject({ from: 'volume' });
  expect(await output(third, survey)).toBe(before);
});

test('files that a later generation had open elsewhere replace what is here', async () => {
  const { session, restore } = await hibernatedSession();
  const second = next(session, restore);
  await other.parts().sandboxes.open(second, signal);
  await output(second, 'echo later > later', other);
  const { archive } = await hibernate(second, {}, other);
  const third = next(second, { ...restore, archive });
  expect(await bench.parts().sandboxes.open(third, signal)).toMatchObject({ from: 'archive' });
  expect(await output(third, 'cat later; cat ignored-dir/file')).toBe('later\nkept\n');
  expect((await left(third)).filter((one) => one === 'volume')).toHaveLength(2);
});

test('volumes that vanished on their own runner are made again from the archive', async () => {
  const { session, restore, before } = await hibernatedSession();
  const { driver } = bench.parts();
  for (const { name } of await driver.listVolumes(session.sessionId)) await driver.removeVolume(name);
  const resumed = next(session, restore);
  expect(await bench.parts().sandboxes.open(resumed, signal)).toMatchObject({ from: 'archive' });
  expect(await output(resumed, survey)).toBe(before);
});

test('an archive that is not in the store any more is said to be lost, and nothing is left of the opening', async () => {
  const { session, restore, archive } = await hibernatedSession();
  await bench.artifacts.delete(archive.artifact.name);
  await expect(other.parts().sandboxes.open(next(session, restore), signal)).rejects.toMatchObject({
    code: 'workspace_lost',
  });
  expect(await left(session, other)).toEqual([]);
});
