import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, test } from 'vitest';
import { openBundleHeader, readBundleHeader } from './bundle-header.ts';

const id = 'a'.repeat(40);
const bundle = (...lines: string[]) => Buffer.from(`${lines.join('\n')}\n\nPACK....`);

test('the head of a bundle tells its checkpoints and where the pack begins', () => {
  const bytes = bundle(
    '# v2 git bundle',
    `-${id} base`,
    `${id} refs/worktrail/checkpoints/1`,
    `${id} refs/worktrail/state/1`,
  );
  const { refs, packOffset } = readBundleHeader(bytes);
  expect(refs).toEqual([
    { id, name: 'refs/worktrail/checkpoints/1' },
    { id, name: 'refs/worktrail/state/1' },
  ]);
  expect(bytes.toString('latin1', packOffset)).toBe('PACK....');
});

test.each([
  ['of another format', Buffer.from('PACK')],
  ['without a pack', Buffer.from(`# v2 git bundle\n${id} refs/worktrail/state/1\n\n`)],
  ['without refs', bundle('# v2 git bundle', `-${id}`)],
  ['with a ref of something else', bundle('# v2 git bundle', `${id} refs/heads/main`)],
  ['with a ref that goes on', bundle('# v2 git bundle', `${id} refs/worktrail/state/1 refs/heads/x`)],
  ['with a line of something else', bundle('# v2 git bundle', 'delete refs/worktrail/state/1')],
])('a bundle %s is refused', (_, bytes) => {
  expect(() => readBundleHeader(bytes)).toThrow(expect.objectContaining({ name: 'BundleMalformed' }));
});

test('the head of a bundle of very many checkpoints is read whole', async () => {
  const scratch = await makeScratch('bundle-header');
  try {
    const path = join(scratch.path, 'bundle');
    const count = 60_000;
    const lines = Array.from({ length: count }, (_, index) => `${id} refs/worktrail/checkpoints/${index + 1}`);
    await writeFile(path, Buffer.concat([bundle('# v2 git bundle', ...lines), Buffer.alloc(1024 ** 2)]));
    expect((await openBundleHeader(path)).refs).toHaveLength(count);
  } finally {
    await scratch.remove();
  }
});
