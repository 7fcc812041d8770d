/**
 * Replaces a file as a whole: a reader sees the old content or the new, never a part, also across a crash.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

export async function writeAtomically(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const scratch = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(scratch, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
}
