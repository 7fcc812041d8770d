// The export of one session into a file.
//
// 1. Under its name there is a whole, checked export or none: until then it is `<name>.part`.
// 2. What jsonl was cut off goes on after its last whole line, by itself as long as it gets further, and with `resume` also in another run. It
//    ends up as the same bytes.

import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExportEnd } from '@worktrail/contract/session-export';
import { WorktrailApiError, type WorktrailClient } from '@worktrail/client';
import { createCheckedLines } from './checked-lines.ts';
import { ForeignFileError, type PartialFile, readPartialFile } from './partial-file.ts';

export type ExportFileFormat = 'jsonl' | 'markdown' | 'atif';

export interface ExportedFile {
  path: string;
  sha256: string;
  bytes: number;
}

const failuresMax = 8;
const retryDelayMs = 1_000;

export interface ExportInto {
  sessionId: string;
  format: ExportFileFormat;
  path: string;
  resume: boolean;
}

/** @throws when `path` is there already, or its `.part` without `resume`. */
export async function exportSession(client: WorktrailClient, into: ExportInto): Promise<ExportedFile> {
  const part = `${into.path}.part`;
  if (await isThere(into.path)) throw new Error(`${into.path} is there already`);
  if (await isThere(part)) {
    if (!into.resume) throw new Error(`${part} is there: --resume goes on with it`);
    if (into.format !== 'jsonl') await rm(part);
  }
  for (let failures = 0, reached = -1; ; ) {
    try {
      return await goOn(client, into, part);
    } catch (error) {
      if (error instanceof ForeignFileError) throw error;
      if (error instanceof WorktrailApiError && error.status < 500) throw error;
      const bytes = await isThere(part);
      failures = bytes > reached ? 0 : failures + 1;
      reached = Math.max(reached, bytes);
      if (failures >= failuresMax) throw error;
      await delay(retryDelayMs);
    }
  }
}

/** One request for what is missing. */
async function goOn(client: WorktrailClient, into: ExportInto, part: string): Promise<ExportedFile> {
  const { sessionId, format, path } = into;
  const kept = format === 'jsonl' && (await isThere(part)) > 0 ? await readPartialFile(part, sessionId) : undefined;
  const body = await client.exports.session(sessionId, { format, after: kept?.cursor });
  // Without an event there is nothing to go on after.
  const before = kept?.cursor === undefined ? undefined : kept;
  const hash = before?.hash ?? createHash('sha256');
  const file = await open(part, before ? 'r+' : 'w', 0o600);
  try {
    await file.truncate(before?.bytes ?? 0);
    const { last, bytes } = await write(file, body, before?.bytes ?? 0, hash);
    const end = Buffer.from(before ? endOfBoth(last, before, hash) : last);
    const sha256 = hash.update(end).digest('hex');
    await file.write(end, 0, end.length, bytes);
    await file.sync();
    await file.close();
    await rename(part, path);
    return { path, sha256, bytes: bytes + end.length };
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

async function write(
  file: FileHandle,
  body: ReadableStream<Uint8Array>,
  from: number,
  hash: Hash,
): Promise<{ last: string; bytes: number }> {
  const lines = createCheckedLines();
  let bytes = from;
  for await (const chunk of body) {
    const whole = lines.add(chunk);
    if (whole.length === 0) continue;
    await file.write(whole, 0, whole.length, bytes);
    hash.update(whole);
    bytes += whole.length;
  }
  return { last: lines.finish(), bytes };
}

/** The end of a continuation, as that of the whole. */
function endOfBoth(last: string, before: PartialFile, hash: Hash): string {
  const { end } = JSON.parse(last) as ExportEnd;
  const inherited = { ...before.inherited };
  for (const [id, count] of Object.entries(end.inherited)) inherited[id] = (inherited[id] ?? 0) + count;
  const sha256 = hash.copy().digest('hex');
  const events = before.events + end.events;
  const whole = { events, cursor: end.cursor ?? before.cursor ?? null, sha256, inherited };
  return `${JSON.stringify({ end: whole } satisfies ExportEnd)}\n`;
}

/** Its size; 0 where there is none. */
async function isThere(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size || 1,
    () => 0,
  );
}
