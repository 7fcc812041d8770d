import { expect, test } from 'vitest';
import { refuseUnsuitable } from './workspace-setup.ts';

const refusal = (exitCode: number, stderr: string) => {
  const end = { outcome: 'exited', exitCode, reason: '' } as const;
  try {
    return refuseUnsuitable({ end, stderr });
  } catch (error) {
    return error;
  }
};

test('a repository that git does not check out is told as such, with the path', () => {
  const stderr = "error: invalid path '../escaped'\nfatal: Could not reset index file to revision 'HEAD'.\n";
  expect(refusal(1, stderr)).toMatchObject({
    code: 'repository_unsuitable',
    message: "git does not check this repository out: invalid path '../escaped'",
  });
});

test('anything else that a setup fails with is not the fault of the repository', () => {
  const full = 'error: unable to write file a\nfatal: Could not reset index file';
  expect(refusal(1, full)).toMatchObject({ code: 'internal', message: expect.stringContaining('Could not reset') });
  expect(refusal(91, 'fatal: bad object x')).toMatchObject({ code: 'repository_unreachable' });
  expect(refusal(0, '')).toBeUndefined();
});
