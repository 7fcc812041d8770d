import { mkdtemp, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepPlan, type MadeFile, openKeptPlan, type PlannedFile, removeKeptPlan } from './kept-plan.ts';

let directory: string;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kept-plan-'));
  path = join(directory, 'tool-uses', 'trn_1-1-0.jsonl');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const blob = 'a'.repeat(40);
function planOf(count: number, content: string): PlannedFile[] {
  return Array.from({ length: count }, (_, n) => ({ changeId: `${n}`, path: `f${n}`, content, before: '' }));
}
const madeOf = ({ path: of }: PlannedFile): MadeFile => ({
  ...{ path: of, status: 'added', oldBlob: '', newBlob: blob, additions: 1, deletions: 0, binary: false },
});

test('what becomes of a file is added to the plan, which is not written again, however much it holds', async () => {
  const files = planOf(200, 'x\n'.repeat(1_000));
  const plan = await keepPlan(path, files);
  const { ino, size } = await stat(path);
  for (const file of files) await plan.add({ made: madeOf(file) });
  const after = await stat(path);
  expect(after.ino).toBe(ino);
  expect(after.size - size).toBeLessThan(files.length * 200);
  await removeKeptPlan(path);
  expect(await openKeptPlan(path)).toBeUndefined();
});

const anything = fc.string({ unit: 'binary', maxLength: 20 });

test('whoever dies amid whatever write, the next goes on from what was written whole', async () => {
  const lives = fc.record({
    contents: fc.array(anything, { minLength: 1, maxLength: 6 }),
    cuts: fc.array(fc.nat(200)),
  });
  await fc.assert(
    fc.asyncProperty(lives, async ({ contents, cuts }) => {
      const files = contents.map((content, n) => ({ ...planOf(1, content)[0]!, path: `f${n}` }));
      await removeKeptPlan(path);
      let plan = await keepPlan(path, files);
      const next = async () => {
        const file = files[plan.made.length];
        if (file) await plan.add({ made: madeOf(file) });
        else if (plan.refused === undefined) await plan.add({ refused: 'no' });
      };
      for (const cut of cuts) {
        const known = { made: plan.made.length, size: (await stat(path)).size };
        await next();
        // Of what was added last, so much came to the disk.
        const { size } = await stat(path);
        const left = Math.min(size, known.size + cut);
        await truncate(path, left);
        plan = (await openKeptPlan(path))!;
        expect(plan.planned).toEqual(files);
        expect(plan.made).toEqual(files.slice(0, plan.made.length).map(madeOf));
        if (left === size) expect(plan.made.length).toBe(Math.min(known.made + 1, files.length));
        else expect(plan.made.length).toBe(known.made);
      }
    }),
    { numRuns: 60 },
  );
});

test('a plan that did not come to the disk whole is none', async () => {
  await keepPlan(path, planOf(3, 'x'));
  await truncate(path, (await stat(path)).size - 1);
  expect(await openKeptPlan(path)).toBeUndefined();
});
