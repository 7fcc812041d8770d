// Opening what a sandbox has left in the part of the shared directory that is its own.

import { constants, type FileHandle, open } from 'node:fs/promises';

/** There is no such file, or it is something else. */
export class NotHandedOver extends Error {
  override readonly name = 'NotHandedOver';
}

/** Never follows a link, never waits, and is a regular file. @throws NotHandedOver */
export async function openHandedOver(path: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: unknown) => {
    throw new NotHandedOver('the sandbox handed over nothing', { cause: error });
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new NotHandedOver('the sandbox handed over no regular file');
}
