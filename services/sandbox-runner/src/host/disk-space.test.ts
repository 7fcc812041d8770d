import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { NoDiskSpace, requireDiskSpace } from './disk-space.ts';

test('a disk with less free than the reserve is refused, with both figures and without its path', async () => {
  await requireDiskSpace([tmpdir()], 1);
  const refused = requireDiskSpace([tmpdir()], 2 ** 60);
  await expect(refused).rejects.toThrow(NoDiskSpace);
  await expect(refused).rejects.toThrow(/^\d+ MiB are free, less than the reserve of 1099511627776 MiB$/);
});
