// Any order of writes (by commands and by the API), deletes, renames, commits, reverts and forks gives the same trees on a model and in
// real sandboxes: content and modes, what is untracked and what is deleted, index, history, branches. Each fork is on another runner than
// its parent, and all of them are worked in.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointFacts } from '@worktrail/contract/checkpoints';
import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileChanges, type FileChanges } from '../files/file-change.ts';
import { type BenchRunner, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { type CheckpointBench, createCheckpointBench, type TriedSession } from './checkpoint-bench.ts';
import {
  applyChange,
  type Change,
  commandOf,
  listingOf,
  type ModelCommit,
  type ModelFile,
  type ModelState,
  newModelState,
  ownBranch,
  pick,
} from './work-tree-model.ts';

interface Host {
  runner: BenchRunner;
  tried: CheckpointBench;
}

let bench: RunnerBench;
let hosts: Host[];
let changes: FileChanges;
const { signal } = new AbortController();
beforeAll(async () => {
  bench = await startRunnerBench('revert-and-fork');
  const { artifacts } = bench;
  hosts = [bench, await bench.addRunner()].map((runner) => ({
    runner,
    tried: createCheckpointBench(bench, { runner, artifacts }),
  }));
  changes = createFileChanges({ artifacts });
});
afterAll(() => bench.close());

const kinds = fc.constantFrom<ModelFile['kind']>('file', 'file', 'file', 'program', 'link');
const part = fc.constantFrom('a', 'b', 'c d', '-x', 'é', 'z.txt');
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const sides = fc.constantFrom('inside' as const, 'outside' as const);
const content = fc.constantFrom('', 'one\n', 'two\r\n', 'three', '/etc/passwd');
const number = fc.nat(50);

type Step =
  | { do: 'write'; path: string; content: string; kind: ModelFile['kind']; from: 'inside' | 'outside' }
  | { do: 'delete' | 'stage' | 'untrack' | 'revert' | 'fork'; pick: number }
  | { do: 'rename'; pick: number; to: string }
  | { do: 'commit'; all: boolean }
  | { do: 'switch'; to: string | null }
  | { do: 'checkpoint'; compact: boolean };

const picking = <T extends string>(what: T) => fc.record({ do: fc.constant(what), pick: number });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), path, content, kind: kinds, from: sides }) },
  { weight: 3, arbitrary: picking('delete') },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rename' as const), pick: number, to: path }) },
  { weight: 2, arbitrary: picking('stage') },
  { weight: 1, arbitrary: picking('untrack') },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const), all: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('switch' as const), to: fc.constantFrom(ownBranch, 'side', null) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('checkpoint' as const), compact: fc.boolean() }) },
  { weight: 4, arbitrary: picking('revert') },
  { weight: 3, arbitrary: picking('fork') },
);
/** Each with the number of the session that it is done in. */
const lives = fc.array(fc.tuple(number, step), { minLength: 30, maxLength: 45, size: 'max' });
const sessionsMax = 5;

/** A session, and what it should be. */
interface Paired {
  real: TriedSession;
  host: Host;
  model: ModelState;
  /** Of each of its checkpoints, in their order. */
  kept: ModelState[];
}

/** All sessions that come from one, and which real commits they have made. */
interface Life {
  sessions: Paired[];
  ids: Map<ModelCommit, string>;
}

const base = newModelState(
  new Map([
    ['README.md', { content: '# upstream\n', kind: 'file' }],
    ['src/index.js', { content: 'console.log(1)\n', kind: 'file' }],
  ]),
);

async function begin(): Promise<Life> {
  const [host] = hosts;
  const real = await host!.tried.open();
  await real.run('git config user.name a; git config user.email a@example.org');
  const first: Paired = { real, host: host!, model: base, kept: [] };
  const life = { sessions: [first], ids: new Map([[base.head, real.opened.baseCommit]]) };
  await keep(life, first, false);
  return life;
}

function changeOf({ files, index }: ModelState, next: Step, life: Life): Change | undefined {
  switch (next.do) {
    case 'write':
      // A link to nothing cannot be made.
      return next.kind === 'link' && next.content === '' ? undefined : next;
    case 'delete':
    case 'stage':
    case 'untrack': {
      const from = { delete: [files], stage: [files, index], untrack: [index] }[next.do];
      const found = pick(next.pick, ...from);
      return found === undefined ? undefined : { do: next.do, path: found };
    }
    case 'rename': {
      const from = pick(next.pick, files);
      const isMeaningful = from !== undefined && !`${next.to}/`.startsWith(`${from}/`);
      return isMeaningful ? { do: 'rename', from, to: next.to } : undefined;
    }
    case 'commit':
      return { ...next, message: `commit ${life.ids.size}` };
    case 'switch':
      return next;
    default:
      return undefined;
  }
}

async function take(life: Life, paired: Paired, next: Step): Promise<void> {
  if (next.do === 'checkpoint') return await keep(life, paired, next.compact);
  if (next.do === 'revert') return await revert(life, paired, next.pick);
  if (next.do === 'fork') return await fork(life, paired, next.pick);
  const { real, model } = paired;
  const change = changeOf(model, next, life);
  if (!change) return;
  const isDone = next.do === 'write' && next.from === 'outside' && (await writtenFromOutside(real, next));
  const branchNamed = (name: string) => nameOf(real, name);
  if (!isDone) expect(await real.run(commandOf(change, model, branchNamed))).toBe('');
  paired.model = applyChange(model, change);
  if (change.do === 'commit') life.ids.set(paired.model.head, (await real.run('git rev-parse HEAD')).trim());
}

async function revert(life: Life, paired: Paired, picked: number): Promise<void> {
  const { real, kept } = paired;
  const index = picked % kept.length;
  const before = real.checkpoints.length;
  const { checkpoint } = await real.revert(real.checkpoints[index]!);
  if (real.checkpoints.length - before === 2) kept.push(paired.model);
  else expect(paired.model).toEqual(kept.at(-1));
  paired.model = kept[index]!;
  kept.push(paired.model);
  await compare(life, paired, checkpoint);
}

async function fork(life: Life, parent: Paired, picked: number): Promise<void> {
  if (life.sessions.length === sessionsMax) return;
  const index = picked % parent.kept.length;
  const host = hosts[(hosts.indexOf(parent.host) + 1) % hosts.length]!;
  const real = await parent.real.fork(parent.real.checkpoints[index]!, host.tried);
  const model = parent.kept[index]!;
  expect(real.opened).toMatchObject({ from: 'checkpoint', headCommit: life.ids.get(model.head) });
  const made = { real, host, model, kept: parent.kept.slice(0, index + 1) };
  life.sessions.push(made);
  await compare(life, made, real.checkpoints.at(-1)!, true);
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
  const stored = await bench.artifacts.put(`content-${changeId}`, source, signal);
  const order = { changeId, path: file, content: stored, executable: kind === 'program', expected: null };
  try {
    await changes.change(await real.sandbox(), { ...real.input, order, again: false }, signal);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'conflict' });
    return false;
  }
}

async function keep(life: Life, paired: Paired, compact: boolean): Promise<void> {
  const checkpoint = await paired.real.kept({ evenIfUnchanged: true, compact });
  paired.kept.push(paired.model);
  await compare(life, paired, checkpoint);
}

const said = `git symbolic-ref -q HEAD || echo detached; git log --format='%H %s' "$BASE"..HEAD; echo --
git for-each-ref --format='%(refname) %(objectname)' refs/heads; echo --
git ls-tree -r -z HEAD | tr '\\0' '\\n'; echo --; git ls-files -s -z | tr '\\0' '\\n'; echo --
find . -path ./.git -prune -o ! -type d -print | while IFS= read -r f; do
  if [ -L "$f" ]; then echo "120000 $(readlink -n "$f" | git hash-object --stdin) $f"; continue; fi
  [ -x "$f" ] && mode=100755 || mode=100644
  echo "$mode $(git hash-object --no-filters "$f") $f"
done`;

/** The checkpoint, and what the sandbox itself says. One that is inherited was on the branch of who took it. */
async function compare(
  { ids }: Life,
  { real, model, host }: Paired,
  checkpoint: CheckpointFacts,
  isInherited = false,
): Promise<void> {
  const listed = await bench.git(['ls-tree', '-r', '-z', checkpoint.commit], `${real.path}/store.git`);
  expect(listed.split('\0').filter(Boolean).map(withoutType)).toEqual(listingOf(model.files));
  const on = model.on === null ? null : `refs/heads/${nameOf(real, model.on)}`;
  const headRef = isInherited ? checkpoint.headRef : on;
  expect(checkpoint).toMatchObject({ headCommit: ids.get(model.head), headRef });
  const { baseCommit } = real.opened;
  const parts = (await real.run(`BASE=${baseCommit}; ${said}`)).split('--\n');
  const [head, branches, committed, index, files] = parts.map((part) => part.split('\n').filter(Boolean));
  const where = `session ${real.input.branch} of ${hosts.indexOf(host)}`;
  expect(head, where).toEqual([on ?? 'detached', ...logOf(model.head, ids)]);
  const expected = [...model.branches].map(([name, at]) => `refs/heads/${nameOf(real, name)} ${ids.get(at)}`);
  expect(branches?.toSorted(), where).toEqual(expected.toSorted());
  expect(committed?.map(withoutType), where).toEqual(listingOf(model.head.tree));
  expect(
    index?.map((line) => line.replace(' 0\t', ' ')),
    where,
  ).toEqual(listingOf(model.index));
  expect(files?.map((line) => line.replace(' ./', ' ')).toSorted(), where).toEqual(listingOf(model.files).toSorted());
}

function nameOf({ input }: TriedSession, branch: string): string {
  return branch === ownBranch ? input.branch : branch;
}

function logOf(commit: ModelCommit, ids: Life['ids']): string[] {
  return commit.parent ? [`${ids.get(commit)} ${commit.message}`, ...logOf(commit.parent, ids)] : [];
}

function withoutType(line: string): string {
  return line.replace(/^(\d+) blob ([0-9a-f]+)\t/, '$1 $2 ');
}

test('any order of writes, deletes, renames, commits, reverts and forks gives the same trees on a model and the real thing', async () => {
  await fc.assert(
    fc.asyncProperty(lives, async (steps) => {
      const life = await begin();
      const { sessions } = life;
      for (const [of, next] of steps) await take(life, sessions[of % sessions.length]!, next);
      for (const paired of sessions) await keep(life, paired, false);
      for (const { real, host } of sessions) await host.runner.parts().sandboxes.remove(real.input);
    }),
    // A failure is told with its seed; to make it smaller would take long.
    { numRuns: 2, endOnFailure: true, interruptAfterTimeLimit: 40_000 },
  );
});
