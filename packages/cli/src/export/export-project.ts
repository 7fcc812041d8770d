// The export of a project into a directory: a file for each session, in a directory for each month, and a manifest of them.
//
//   manifest.jsonl      a line for each file that is whole: path, session, events, last cursor, bytes, SHA-256
//   2026-11/ses_….jsonl
//
// 1. What the manifest names is whole, and is what it says. A run that broke off is gone on with, file by file and within a file.
// 2. Sessions are those that were made in the time asked for, each with its whole history.

import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportEnd } from '@worktrail/contract/session-export';
import type { Session, WorktrailClient } from '@worktrail/client';
import { exportSession } from './export-session.ts';

export interface ManifestLine {
  path: string;
  sessionId: string;
  events: number;
  cursor: string | null;
  bytes: number;
  sha256: string;
}

export interface ExportProjectInto {
  projectId: string;
  directory: string;
  from: string | undefined;
  /** Not included. */
  to: string | undefined;
  resume: boolean;
}

const manifestName = 'manifest.jsonl';
const endBytesMax = 16 * 1024;

/** Each file as it is whole. @throws when there is a manifest already, without `resume`. */
export async function* exportProject(
  client: WorktrailClient,
  { projectId, directory, from, to, resume }: ExportProjectInto,
): AsyncGenerator<ManifestLine, void, undefined> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, manifestName);
  const whole = await readManifest(path);
  if (whole && !resume) throw new Error(`${path} is there: --resume goes on with it`);
  const done = new Set(whole?.lines.map((line) => line.sessionId));
  const manifest = await open(path, 'a', 0o600);
  try {
    // A line that was cut off is of a file that comes again.
    if (whole) await manifest.truncate(whole.bytes);
    for await (const session of client.sessions.all({ projectId })) {
      if (!isMadeIn(session, from, to) || done.has(session.id)) continue;
      const line = await exportOne(client, directory, session.id, session.createdAt.slice(0, 7));
      await manifest.appendFile(`${JSON.stringify(line)}\n`);
      await manifest.sync();
      yield line;
    }
  } finally {
    await manifest.close();
  }
}

function isMadeIn({ createdAt }: Session, from: string | undefined, to: string | undefined): boolean {
  const at = Date.parse(createdAt);
  return (from === undefined || at >= Date.parse(from)) && (to === undefined || at < Date.parse(to));
}

async function exportOne(
  client: WorktrailClient,
  directory: string,
  sessionId: string,
  month: string,
): Promise<ManifestLine> {
  await mkdir(join(directory, month), { recursive: true, mode: 0o700 });
  const path = join(month, `${sessionId}.jsonl`);
  const file = join(directory, path);
  // Whole, but the manifest does not say so: it cannot be known to be so without being read.
  await rm(file, { force: true });
  const { sha256, bytes } = await exportSession(client, { sessionId, format: 'jsonl', path: file, resume: true });
  const { events, cursor } = await endOf(file);
  return { path, sessionId, events, cursor, bytes, sha256 };
}

async function endOf(path: string): Promise<ExportEnd['end']> {
  const { size } = await stat(path);
  const file = await open(path, 'r');
  try {
    const length = Math.min(size, endBytesMax);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const text = buffer.toString('utf8').trimEnd();
    return (JSON.parse(text.slice(text.lastIndexOf('\n') + 1)) as ExportEnd).end;
  } finally {
    await file.close();
  }
}

async function readManifest(path: string): Promise<{ lines: ManifestLine[]; bytes: number } | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').filter(Boolean);
  return { lines: lines.map((line) => JSON.parse(line) as ManifestLine), bytes: Buffer.byteLength(whole) };
}
