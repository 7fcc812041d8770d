import type { CheckpointRef, StoredBundle } from '@worktrail/contract/checkpoints';
import { bundlesUpTo } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BenchRunner, newSession, type RunnerBench, startRunnerBench } from '../runner-bench.ts';

let bench: RunnerBench;
let runners: BenchRunner[];
beforeAll(async () => {
  bench = await startRunnerBench('forks');
  runners = [bench, await bench.addRunner()];
}, 60_000);
afterAll(() => bench.close(), 60_000);

const { signal } = new AbortController();

/** What a session's work tree is to be: content by path, and what its branch is at. */
interface Files {
  tree: Map<string, string>;
  head: string;
}

/** A session as its workflow would know it, beside what its files are to be now and were at each checkpoint. */
interface Line {
  input: OpenSandboxInput;
  runner: BenchRunner;
  baseCommit: string;
  bundles: StoredBundle[];
  kept: { checkpoint: CheckpointRef; files: Files }[];
  files: Files;
}

const paths = ['a', 'b', 'd/a', 'd/e/b', 'with space', 'é'];
const listing = `find . -path ./.git -prune -o -type f -print | while read -r f; do printf '%s=%s\\n' "$f" "$(cat "$f")"; done`;

const run = ({ input, runner }: Line, text: string) => runner.output(input, text);

async function look(line: Line): Promise<{ tree: string[]; head: string; branch: string }> {
  const [tree, head = '', branch = ''] = (
    await run(line, `${listing}; echo --; git rev-parse HEAD; echo --; git branch --show-current`)
  ).split('--\n');
  return { tree: tree!.split('\n').filter(Boolean).toSorted(), head: head.trim(), branch: branch.trim() };
}

function expected({ tree, head }: Files, { input: { branch } }: Line) {
  return { tree: [...tree].map(([path, text]) => `./${path}=${text}`).toSorted(), head, branch };
}

const copy = ({ tree, head }: Files): Files => ({ tree: new Map(tree), head });

async function openFirst(): Promise<Line> {
  const input = newSession(bench);
  const { baseCommit } = await bench.parts().sandboxes.open(input, signal);
  const tree = new Map([
    ['README.md', '# upstream'],
    ['src/index.js', 'console.log(1)'],
  ]);
  return { input, runner: bench, baseCommit, bundles: [], kept: [], files: { tree, head: baseCommit } };
}

async function keep(line: Line, compact: boolean): Promise<void> {
  const { sandboxes, checkpoints } = line.runner.parts();
  const previous = line.kept.at(-1)?.checkpoint ?? null;
  const number = (previous?.number ?? 0) + 1;
  const request = {
    ...{ ...line.input, checkpointId: newId('checkpoint'), number, label: '', commandId: '', previous, compact },
    ...{ baseCommit: line.baseCommit, bundles: line.bundles, evenIfUnchanged: true },
  };
  const taken = await checkpoints.take((await sandboxes.attach(line.input))!, request, signal);
  if (!taken.changed) throw new Error('nothing was taken');
  const { id, commit, tree } = taken.checkpoint;
  line.kept.push({ checkpoint: { id, number, commit, tree }, files: copy(line.files) });
  const bundle = { ...taken.bundle, upTo: number };
  line.bundles = compact ? [bundle] : [...line.bundles, bundle];
}

/** On another runner than its parent. */
async function fork(parent: Line, at: number, ancestors: string[]): Promise<Line> {
  const kept = parent.kept.slice(0, at + 1);
  const { checkpoint, files } = kept.at(-1)!;
  const bundles = bundlesUpTo(parent.bundles, checkpoint.number);
  const restore = { baseCommit: parent.baseCommit, checkpoint, bundles, archive: null };
  const { organizationId, projectId } = parent.input;
  const input = newSession(bench, { organizationId, projectId, restore, branchesBefore: ancestors });
  const runner = runners[(runners.indexOf(parent.runner) + 1) % runners.length]!;
  const opened = await runner.parts().sandboxes.open(input, signal);
  expect(opened).toMatchObject({ from: 'checkpoint', baseCommit: parent.baseCommit, headCommit: files.head });
  return { input, runner, baseCommit: parent.baseCommit, bundles, kept, files: copy(files) };
}

const path = fc.constantFrom(...paths);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), path, text: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('keep' as const), compact: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fork' as const), at: fc.nat() }) },
);
const steps = fc.array(fc.tuple(fc.nat(), step), { minLength: 25, maxLength: 25 });
const forksMax = 5;

async function take(
  line: Line,
  does: Exclude<typeof step extends fc.Arbitrary<infer T> ? T : never, { kind: 'fork' }>,
) {
  const { tree } = line.files;
  switch (does.kind) {
    case 'write':
      tree.set(does.path, String(does.text));
      return void (await run(line, `mkdir -p d/e; printf ${does.text} > '${does.path}'`));
    case 'delete':
      tree.delete(does.path);
      return void (await run(line, `rm -f '${does.path}'`));
    case 'rename': {
      const text = tree.get(does.path);
      if (text === undefined || does.path === does.to) return;
      tree.delete(does.path);
      tree.set(does.to, text);
      return void (await run(line, `mkdir -p d/e; mv '${does.path}' '${does.to}'`));
    }
    case 'commit':
      line.files.head = (
        await run(line, 'git add -A; git commit -q --allow-empty -m commit; git rev-parse HEAD')
      ).trim();
      return;
    case 'keep':
      return await keep(line, does.compact);
  }
}

test('forks of any checkpoint, and forks of those, on another runner have the files and the branch of then, and no other’s later on', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const lines = [await openFirst()];
      const branches = [[lines[0]!.input.branch]];
      await keep(lines[0]!, false);
      for (const [of, does] of taken) {
        const index = of % lines.length;
        const line = lines[index]!;
        if (does.kind !== 'fork') await take(line, does);
        else if (lines.length <= forksMax) {
          const made = await fork(line, does.at % line.kept.length, branches[index]!);
          expect(await look(made)).toEqual(expected(made.files, made));
          lines.push(made);
          branches.push([made.input.branch, ...branches[index]!]);
        }
      }
      for (const line of lines) expect(await look(line)).toEqual(expected(line.files, line));
      for (const { runner, input } of lines) await runner.parts().sandboxes.remove(input);
    }),
    { numRuns: 3, endOnFailure: true },
  );
}, 300_000);
