// The files that answers go through which ClickHouse writes as one document: it makes them without holding them, and so are they sent.
//
// 1. One has a name only while it is being made: when it is open it has none any more, and is gone with who reads it, however that ends.
// 2. The directory is ours alone (0700) and emptied when it is opened: what lies there then is of a process that was killed.
// 3. So many are there at once, and of one asker. A full disk fails the statement.

import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';

export interface AnswerFile {
  /** From the beginning, once. */
  pieces(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface AnswerFiles {
  /** @throws ConnectError ABORTED where too many are there; what `write` throws. */
  make(asker: string, write: (path: string) => Promise<void>): Promise<AnswerFile>;
}

const pieceBytes = 256 * 1024;

export async function openAnswerFiles(
  directory: string,
  max: { inAll: number; perAsker: number },
): Promise<AnswerFiles> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700, recursive: true });
  const askers: string[] = [];
  const forget = (asker: string) => askers.splice(askers.indexOf(asker), 1);
  return {
    make: async (asker, write) => {
      if (askers.length >= max.inAll || askers.filter((one) => one === asker).length >= max.perAsker) {
        throw new ConnectError('too many answers of this kind are being sent: try again later', Code.Aborted);
      }
      askers.push(asker);
      try {
        const file = await made(join(directory, randomUUID()), write);
        let isOpen = true;
        return {
          pieces: () => pieces(file),
          close: async () => {
            if (!isOpen) return;
            isOpen = false;
            await file.close().finally(() => forget(asker));
          },
        };
      } catch (error) {
        forget(asker);
        throw error;
      }
    },
  };
}

async function made(path: string, write: (path: string) => Promise<void>): Promise<FileHandle> {
  try {
    await write(path);
    return await open(path, 'r');
  } finally {
    await rm(path, { force: true });
  }
}

async function* pieces(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
