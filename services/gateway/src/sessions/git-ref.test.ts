import { expect, test } from 'vitest';
import { branchName } from './branch-name.ts';
import { isGitRef } from './git-ref.ts';

test.each(['main', 'refs/heads/a-b', 'v1.0', 'a'.repeat(40), 'feature/x_y', 'über'])('%s is a ref', (ref) => {
  expect(isGitRef(ref)).toBe(true);
});

test.each([
  '',
  '-x',
  '--upload-pack=x',
  'a..b',
  'a b',
  'a~1',
  'a^',
  'a:b',
  'a?',
  'a*',
  'a[',
  'a\\b',
  '@',
  'a@{1}',
  '/a',
  'a/',
])('%j is no ref', (ref) => {
  expect(isGitRef(ref)).toBe(false);
});

test.each(['a//b', '.a', 'a/.b', 'a.lock', 'a.lock/b', 'a.', 'a\nb', 'a\u0000', 'x'.repeat(256)])(
  '%j is no ref',
  (ref) => {
    expect(isGitRef(ref)).toBe(false);
  },
);

test.each(['Fix the läyout!', '', '///', '-- x', 'x'.repeat(200), '日本', 'a/../b'])(
  'the branch of a session titled %j is a ref below worktrail/',
  (title) => {
    const branch = branchName(title, 'ses_01m82dgmn0e00amb2pwsgnchk1');
    expect(isGitRef(branch)).toBe(true);
    expect(branch).toMatch(/^worktrail\/[a-z0-9-]+-wsgnchk1$/);
  },
);

test('the branch says what the title says', () => {
  expect(branchName('Hello, Wörld', 'ses_01m82dgmn0e00amb2pwsgnchk1')).toBe('worktrail/hello-world-wsgnchk1');
});
