import { expect, test } from 'vitest';
import { readUpdated } from './workspace-update.ts';

const head = 'a'.repeat(40);

test('what became of an update is read with the paths that conflict', () => {
  const stdout = String.raw`outcome conflicts
head ${head}
conflict plain path
conflict "tab\there \"and\" \303\251\\"
conflict plain path
`;
  expect(readUpdated(stdout)).toEqual({
    outcome: 'conflicts',
    headCommit: head,
    conflicts: ['plain path', 'tab\\x09here "and" é\\'],
  });
  expect(readUpdated(`outcome up_to_date\nhead ${head}\n`)).toMatchObject({ outcome: 'up_to_date', conflicts: [] });
});

test('a sandbox may say anything', () => {
  expect(() => readUpdated('')).toThrow('the sandbox did not say what became of it');
  expect(() => readUpdated('outcome merged\n')).toThrow('the sandbox did not say what became of it');
  expect(readUpdated('outcome updated\nhead ; rm -rf /\n').headCommit).toBeNull();
  const many = Array.from({ length: 1_000 }, (_, index) => `conflict ${index}\n`).join('');
  expect(readUpdated(`outcome conflicts\n${many}`).conflicts).toHaveLength(300);
});
