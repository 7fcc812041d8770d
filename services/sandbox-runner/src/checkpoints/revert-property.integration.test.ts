// Any order of writes (by commands and by the API), deletes, renames, commits and reverts gives the same trees on a model and in a real sandbox.
//
// Sessions are kept in a list, so that one can become several.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import type { CheckpointFacts } from '@worktrail/contract/checkpoints';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileChanges, type FileChanges } from '../files/file-change.ts';
import { type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { type CheckpointBench, createCheckpointBench, type TriedSession } from './checkpoint-bench.ts';
import {
  applyChange,
  type Change,
  commandOf,
  listingOf,
  type ModelFile,
  type ModelState,
  type ModelTree,
  pick,
} from './work-tree-model.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
let changes: FileChanges;
const { signal } = new AbortController();
beforeAll(async () => {
  bench = await startRunnerBench('revert-property');
  tried = createCheckpointBench(bench);
  changes = createFileChanges({ artifacts: tried.artifacts });
}, 60_000);
afterAll(() => bench.close(), 60_000);

const kinds = fc.constantFrom<ModelFile['kind']>('file', 'file', 'file', 'program', 'link');
const part = fc.constantFrom('a', 'b', 'c d', '-x', 'é', 'z.txt');
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const sides = fc.constantFrom('inside' as const, 'outside' as const);
const content = fc.constantFrom('', 'one\n', 'two\r\n', 'three', '/etc/passwd');

type Step =
  | { do: 'write'; path: string; content: string; kind: ModelFile['kind']; from: 'inside' | 'outside' }
  | { do: 'delete'; pick: number }
  | { do: 'rename'; pick: number; to: string }
  | { do: 'commit' }
  | { do: 'checkpoint' }
  | { do: 'revert'; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), path, content, kind: kinds, from: sides }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), pick: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rename' as const), pick: fc.nat(50), to: path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('checkpoint' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('revert' as const), pick: fc.nat(50) }) },
);

/** A session, and what it should be. */
interface Paired {
  real: TriedSession;
  model: ModelState;
  /** Of each of its checkpoints, in their order. */
  kept: ModelState[];
}

const base: ModelTree = new Map([
  ['README.md', { content: '# upstream\n', kind: 'file' }],
  ['src/index.js', { content: 'console.log(1)\n', kind: 'file' }],
]);

async function begin(): Promise<Paired> {
  const real = await tried.open();
  await real.run('git config user.name a; git config user.email a@example.org');
  const paired = { real, model: { files: base, committed: base, commits: 0 }, kept: [] };
  await keep(paired);
  return paired;
}

function changeOf({ files }: ModelState, next: Step): Change | undefined {
  switch (next.do) {
    case 'write':
      // A link to nothing cannot be made.
      return next.kind === 'link' && next.content === '' ? undefined : next;
    case 'delete': {
      const found = pick(files, next.pick);
      return found === undefined ? undefined : { do: 'delete', path: found };
    }
    case 'rename': {
      const from = pick(files, next.pick);
      const isMeaningful = from !== undefined && !`${next.to}/`.startsWith(`${from}/`);
      return isMeaningful ? { do: 'rename', from, to: next.to } : undefined;
    }
    case 'commit':
      return { do: 'commit' };
    default:
      return undefined;
  }
}

async function take(paired: Paired, next: Step): Promise<void> {
  if (next.do === 'checkpoint') return await keep(paired);
  if (next.do === 'revert') {
    const index = next.pick % paired.kept.length;
    const before = paired.real.checkpoints.length;
    const { checkpoint } = await paired.real.revert(paired.real.checkpoints[index]!);
    if (paired.real.checkpoints.length - before === 2) paired.kept.push(paired.model);
    else expect(paired.model).toEqual(paired.kept.at(-1));
    paired.model = paired.kept[index]!;
    paired.kept.push(paired.model);
    return await compare(paired, checkpoint);
  }
  const change = changeOf(paired.model, next);
  if (!change) return;
  const isDone = next.do === 'write' && next.from === 'outside' && (await writtenFromOutside(paired.real, next));
  if (!isDone) expect(await paired.real.run(commandOf(change))).toBe('');
  paired.model = applyChange(paired.model, change);
}

/** As the API would have it. False where that refuses: it replaces no directory and no link. */
async function writtenFromOutside(
  real: TriedSession,
  { path: file, content: text, kind }: Extract<Step, { do: 'write' }>,
): Promise<boolean> {
  if (kind === 'link') return false;
  const changeId = newId('event');
  const source = join(bench.path, changeId);
  await writeFile(source, text);
  const stored = await tried.artifacts.put(`content-${changeId}`, source, signal);
  const order = { changeId, path: file, content: stored, executable: kind === 'program', expected: null };
  try {
    await changes.change(await real.sandbox(), { ...real.input, order, again: false }, signal);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'conflict' });
    return false;
  }
}

async function keep(paired: Paired): Promise<void> {
  const checkpoint = await paired.real.kept({ evenIfUnchanged: true });
  paired.kept.push(paired.model);
  await compare(paired, checkpoint);
}

/** The checkpoint, and what the sandbox itself says. */
async function compare({ real, model }: Paired, { commit }: CheckpointFacts): Promise<void> {
  expect(await treeOf(real, commit)).toEqual(listingOf(model.files));
  const said = await real.run(
    `git rev-list --count ${real.opened.baseCommit}..HEAD; git ls-tree -r -z HEAD | tr '\\0' '\\n'; git status --porcelain | wc -l`,
  );
  const [commits, ...rest] = said.trimEnd().split('\n');
  expect(Number(commits)).toBe(model.commits);
  expect(rest.slice(0, -1).map(withoutType)).toEqual(listingOf(model.committed));
  const isSame = JSON.stringify(listingOf(model.files)) === JSON.stringify(listingOf(model.committed));
  expect(rest.at(-1) === '0').toBe(isSame);
}

async function treeOf({ path: directory }: TriedSession, commit: string): Promise<string[]> {
  const listed = await bench.git(['ls-tree', '-r', '-z', commit], `${directory}/store.git`);
  return listed.split('\0').filter(Boolean).map(withoutType);
}

function withoutType(line: string): string {
  return line.replace(/^(\d+) blob ([0-9a-f]+)\t/, '$1 $2 ');
}

test('any order of writes, deletes, renames, commits and reverts gives the same trees on a model and the real thing', async () => {
  const lives = fc.array(step, { minLength: 30, maxLength: 45, size: 'max' });
  await fc.assert(
    fc.asyncProperty(lives, async (steps) => {
      const sessions = [await begin()];
      for (const next of steps) for (const paired of sessions) await take(paired, next);
      for (const paired of sessions) await keep(paired);
      for (const { real } of sessions) await bench.parts().sandboxes.remove(real.input);
    }),
    // A failure is told with its seed; to make it smaller would take long.
    { numRuns: 2, endOnFailure: true, interruptAfterTimeLimit: 45_000 },
  );
}, 120_000);
