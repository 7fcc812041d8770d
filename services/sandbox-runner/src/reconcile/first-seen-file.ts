// Since when things have been found without a counterpart, over restarts of the runner. A file that cannot be read counts as none:
// every grace begins anew.

import { open, readFile, rename } from 'node:fs/promises';
import type { FirstSeen } from '@worktrail/runtime/first-seen';
import { z } from 'zod';

const schema = z.record(z.string(), z.number());

export async function readFirstSeen(path: string): Promise<FirstSeen> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return {};
  }
}

/** Appears by rename. */
export async function writeFirstSeen(path: string, seen: FirstSeen): Promise<void> {
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(seen));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}
