import { expect, test } from 'vitest';
import { isThere, readRefusal } from './push-refusal.ts';

const target = 'refs/heads/main';
const fence = 'refs/worktrail/merges/x/1';
const said = (onTarget: string, onFence: string, more = '') => `Total 1\n${more}To ../u.git
!\tc1:${target}\t${onTarget}
!\tc1:${fence}\t${onFence}
Done\n`;

// As git 2.39 prints it.
test.each([
  [
    'a branch that is protected',
    '[remote rejected] (hook declined)',
    '[remote rejected] (atomic push failure)',
    'refused',
  ],
  [
    'a ref that is not taken',
    '[remote rejected] (atomic push failure)',
    '[remote rejected] (hook declined)',
    'unfenced',
  ],
  [
    'all at once',
    '[remote rejected] (pre-receive hook declined)',
    '[remote rejected] (pre-receive hook declined)',
    'unfenced',
  ],
  ['a fence that was there', '[rejected] (atomic push failed)', '[rejected] (stale info)', 'refused'],
  [
    'a fence that came',
    '[remote rejected] (atomic transaction failed)',
    '[remote rejected] (atomic transaction failed)',
    'refused',
  ],
])('%s', (_, onTarget, onFence, state) => {
  expect(readRefusal(said(onTarget, onFence), target, fence)?.state).toBe(state);
});

test('the reason is what was said of the target, and by the remote', () => {
  const detail = readRefusal(
    said('[remote rejected] (no)', '[remote rejected] (atomic push failure)', 'remote: ask\n'),
    target,
    fence,
  )?.detail;
  expect(detail).toBe(`! c1:${target} [remote rejected] (no) remote: ask`);
});

test('a remote that cannot change two refs as one is none for fences; where nothing was refused it is not known', () => {
  const fatal = 'fatal: the receiving end does not support --atomic push';
  expect(readRefusal(fatal, target, fence)?.state).toBe('unfenced');
  expect(readRefusal('fatal: the remote end hung up unexpectedly', target, fence)).toBeUndefined();
  expect(readRefusal(`To x\n!\tc1:${target}\t[rejected] (stale info)\n`, target, null)?.state).toBe('refused');
});

test('a ref is there for certain only where the remote had said so before anything was sent', () => {
  const made = (reason: string) => isThere(`To x\n!\tc1:${fence}\t${reason}\nDone\n`, fence);
  expect(made('[rejected] (stale info)')).toBe(true);
  expect(made('[remote rejected] (atomic transaction failed)')).toBe(false);
  expect(isThere(`!\tc1:${target}\t[rejected] (stale info)\n`, fence)).toBe(false);
});
