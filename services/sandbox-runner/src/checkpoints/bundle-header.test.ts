import { expect, test } from 'vitest';
import { readBundleHeader } from './bundle-header.ts';

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
