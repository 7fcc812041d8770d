import { Code } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { createFairShare } from './fair-share.ts';

test('an asker has its share at once and no more, whatever others do', async () => {
  const share = createFairShare(2);
  const releases: (() => void)[] = [];
  const hold = (asker: string) => share.use(asker, () => new Promise<void>((resolve) => releases.push(resolve)));
  const held = [hold('a'), hold('a'), hold('b')];
  await expect(hold('a')).rejects.toMatchObject({ code: Code.Aborted });
  for (const release of releases) release();
  await Promise.all(held);
  await expect(share.use('a', async () => 'again')).resolves.toBe('again');
});

test('what failed no longer counts', async () => {
  const share = createFairShare(1);
  await expect(share.use('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(share.use('a', async () => 'again')).resolves.toBe('again');
});
