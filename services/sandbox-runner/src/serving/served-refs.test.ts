import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packedRefs, readRefs, servedRefs } from './served-refs.ts';

const id = (digit: string) => digit.repeat(40);
const session = {
  sessionId: 'ses_1',
  branch: 'worktrail/try-1',
  tip: id('a'),
  checkpoint: { number: 3, commit: id('b') },
};

test('a session shows its branch and its newest checkpoint beside the branches of upstream', () => {
  const upstream = [{ name: 'refs/heads/main', id: id('1') }];
  expect(servedRefs(upstream, [session, { ...session, sessionId: 'ses_2', branch: 'worktrail/x', tip: null }])).toEqual(
    [
      { name: 'refs/heads/main', id: id('1') },
      { name: 'refs/heads/worktrail/try-1', id: id('a') },
      { name: 'refs/worktrail/checkpoints/ses_1/3', id: id('b') },
      { name: 'refs/worktrail/checkpoints/ses_2/3', id: id('b') },
    ],
  );
});

test("a session's branch hides what was pushed of it, and a branch that would stand in its way is left out", () => {
  const upstream = [
    { name: 'refs/heads/worktrail/try-1', id: id('1') },
    { name: 'refs/heads/worktrail', id: id('2') },
    { name: 'refs/heads/worktrail/other', id: id('3') },
  ];
  expect(servedRefs(upstream, [{ ...session, checkpoint: null }])).toEqual([
    { name: 'refs/heads/worktrail/try-1', id: id('a') },
    { name: 'refs/heads/worktrail/other', id: id('3') },
  ]);
});

test('what is written is read back, each ref once, in the order of bytes', () => {
  const name = fc
    .array(fc.constantFrom('a', 'é', 'z', 'B', '-'), { minLength: 1, maxLength: 6 })
    .map((parts) => `refs/${parts.join('')}`);
  fc.assert(
    fc.property(fc.uniqueArray(name), (names) => {
      const refs = names.map((one) => ({ name: one, id: id('c') }));
      const read = readRefs(packedRefs(refs));
      expect(read.map((ref) => ref.name)).toEqual(
        names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      );
    }),
  );
});
