import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { advertisementHead, gitProtocol, plainBody } from './git-message.ts';

test.each([
  ['version=2', '2'],
  ['version=1', '1'],
  ['object-format=sha256:version=2', '2'],
  ['version=22', '0'],
  ['version=2\nGIT_DIR=/', '0'],
  [null, '0'],
])('the header %j asks for version %s', (header, version) => {
  expect(gitProtocol(header)).toBe(version);
});

test('before the refs of the old protocol stands its service', () => {
  expect(advertisementHead('0')).toBe('001e# service=git-upload-pack\n0000');
  expect(advertisementHead('2')).toBe('');
});

test('a zipped body is unzipped within its bound, and refused by name where it is something else', async () => {
  const zipped = gzipSync(Buffer.alloc(1_000));
  expect(await plainBody(zipped, 'gzip', 1_000)).toHaveLength(1_000);
  expect(await plainBody(zipped, null, 1)).toBe(zipped);
  await expect(plainBody(zipped, 'gzip', 999)).rejects.toMatchObject({ code: 'body_too_large' });
  await expect(plainBody(zipped.subarray(0, 9), 'gzip', 999)).rejects.toMatchObject({ code: 'malformed_request' });
  await expect(plainBody(zipped, 'br', 999)).rejects.toMatchObject({ code: 'malformed_request' });
});
