/** A fetch that never ends, to be killed; for a test. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inScratch } from '../src/scratch-directory.ts';

await inScratch(process.argv[2] as string, 'fetch', async (scratch) => {
  await writeFile(join(scratch, 'half'), '');
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
