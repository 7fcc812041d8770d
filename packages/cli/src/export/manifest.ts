// What an export into a directory has done: a file of lines, each written once what it names is whole.

import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Manifest<Line> {
  /** Of the runs before. */
  readonly lines: readonly Line[];
  append(line: Line): Promise<void>;
  close(): Promise<void>;
}

/** @throws when there is one already, without `resume`. */
export async function openManifest<Line>(directory: string, resume: boolean): Promise<Manifest<Line>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'manifest.jsonl');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (text !== undefined && !resume) throw new Error(`${path} is there: --resume goes on with it`);
  // A line that was cut off is of a file that comes again.
  const whole = text?.slice(0, text.lastIndexOf('\n') + 1) ?? '';
  const file = await open(path, 'a', 0o600);
  await file.truncate(Buffer.byteLength(whole));
  return {
    lines: whole
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line),
    append: async (line) => {
      await file.appendFile(`${JSON.stringify(line)}\n`);
      await file.sync();
    },
    close: () => file.close(),
  };
}
