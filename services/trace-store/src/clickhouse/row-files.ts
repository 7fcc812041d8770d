// The files that rows go through on their way into ClickHouse in this process: its SQL is text, and rows are bytes.
//
// One is there only while it is being inserted. The directory is ours alone (0700) and emptied when it is opened: what lies there then is
// of a process that was killed, and its rows come again.

import { randomUUID } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface RowFiles {
  /** @throws where it cannot be written, as on a full disk. */
  use<T>(rows: Buffer, work: (path: string) => Promise<T>): Promise<T>;
}

export async function openRowFiles(directory: string): Promise<RowFiles> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700, recursive: true });
  return {
    use: async (rows, work) => {
      const path = join(directory, `${randomUUID()}.rows`);
      try {
        await writeAll(path, rows);
        return await work(path);
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}

/** In as few calls as the system takes it. */
async function writeAll(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
  } finally {
    await file.close();
  }
}
