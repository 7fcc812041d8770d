import { expect, test } from 'vitest';
import { howToFetch } from './open.ts';

test('the ways to a branch are lines for a shell', () => {
  expect(howToFetch('http://127.0.0.1:1/v1/git/prj_1.git', 'worktrail/fix-1')).toEqual({
    fetch:
      'git fetch http://127.0.0.1:1/v1/git/prj_1.git +worktrail/fix-1:worktrail/fix-1 && git switch worktrail/fix-1',
    clone: 'git clone --branch worktrail/fix-1 http://127.0.0.1:1/v1/git/prj_1.git',
  });
  expect(howToFetch("http://h/a'b", 'x;y').clone).toBe(`git clone --branch 'x;y' 'http://h/a'\\''b'`);
});
