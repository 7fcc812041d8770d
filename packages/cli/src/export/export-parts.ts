// The export of a project into a directory of Parquet files: for each month what its views `events` and `command_output` have, in parts, and
// a manifest of them.
//
//   manifest.jsonl               a line for each file that is whole: path, of what, time, rows, bytes, SHA-256, and where it ends
//   2026-11/events-0001.parquet
//
// A run that broke off goes on after the last line of the manifest: parts that are whole are not asked for again.

import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorktrailClient } from '@worktrail/client';
import { openManifest } from './manifest.ts';

const datasets = ['events', 'command_output'] as const;

export interface PartLine {
  path: string;
  of: (typeof datasets)[number];
  from: string;
  /** Not included. */
  to: string;
  rows: number;
  bytes: number;
  sha256: string;
  /** Where the next part of the same month begins; null where there is none. */
  next: string | null;
}

export interface ExportPartsInto {
  projectId: string;
  directory: string;
  from: string;
  to: string;
  resume: boolean;
}

/** Each file as it is whole. @throws when there is a manifest already, without `resume`. */
export async function* exportParts(
  client: WorktrailClient,
  { projectId, directory, from, to, resume }: ExportPartsInto,
): AsyncGenerator<PartLine, void, undefined> {
  const manifest = await openManifest<PartLine>(directory, resume);
  try {
    for (const month of monthsOf(from, to)) {
      for (const of of datasets) {
        const before = manifest.lines.filter((line) => line.of === of && line.from === month.from);
        // What was asked for until then stays so, whenever the rest is.
        const until = before[0]?.to ?? month.to;
        let last = before.at(-1);
        for (let number = before.length + 1; last?.next !== null; number += 1) {
          const name = `${of}-${String(number).padStart(4, '0')}.parquet`;
          const path = join(month.from.slice(0, 7), name);
          const asked = { of, from: month.from, to: until, after: last?.next };
          last = {
            path,
            of,
            from: month.from,
            to: until,
            ...(await writePart(client, projectId, directory, path, asked)),
          };
          await manifest.append(last);
          yield last;
        }
      }
    }
  } finally {
    await manifest.close();
  }
}

async function writePart(
  client: WorktrailClient,
  projectId: string,
  directory: string,
  path: string,
  asked: { of: PartLine['of']; from: string; to: string; after: string | undefined },
): Promise<Pick<PartLine, 'rows' | 'bytes' | 'sha256' | 'next'>> {
  const { bytes, rows, sha256, next } = await client.exports.part(projectId, asked);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
    throw new Error(`${path}: what has come is not what its checksum says`);
  }
  const file = join(directory, path);
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.part`, bytes, { mode: 0o600, flush: true });
  await rename(`${file}.part`, file);
  return { rows, bytes: bytes.length, sha256, next };
}

/** In UTC. */
export function monthsOf(from: string, to: string): { from: string; to: string }[] {
  const months: { from: string; to: string }[] = [];
  for (let start = new Date(from); start < new Date(to); ) {
    const end = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1));
    months.push({ from: start.toISOString(), to: (end < new Date(to) ? end : new Date(to)).toISOString() });
    start = end;
  }
  return months;
}
