// Files of an open sandbox as they are now: read inside it, as its user, by a script (live-files.sh).
//
// 1. What the script says is a claim of what runs in the sandbox: bounded, and never more than what is shown to people.
// 2. A file that changes while it is read is not given as one: the reading fails.
// 3. At most `readersMax` at once read a sandbox, so that its other internal commands have their places; who comes later waits in line.

import { readFileSync } from 'node:fs';
import { workspacePath } from '@worktrail/contract/environment-variables';
import { fileBytesMax, type FileItem, type FileListing } from '@worktrail/contract/session-files';
import { shownPath } from '../checkpoints/shown-path.ts';
import { baseEnvironment } from '../docker/image-environment.ts';
import { createStartGate, type StartGate } from '../host/start-gate.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { followInternalCommand } from '../supervision/internal-command.ts';
import type { EndFrame } from '../supervision/journal-format.ts';
import { escapedBytes } from './escaped-bytes.ts';
import { fileProblem, readProblem } from './file-problem.ts';
import { decodeName, encodeName } from './name-page.ts';

export interface LiveFile {
  size: number;
  offset: number;
  length: number;
  /** Of the content, as git names it; null where the file is too large, or nobody asked. */
  blob: string | null;
}

export interface LiveFiles {
  list(
    sandbox: OpenSandbox,
    where: { path: string; limit: number; after: string | null },
    signal: AbortSignal,
  ): Promise<FileListing>;
  /**
   * `hash`: of the repository; null: nobody asks how git names the content. `begin` is told what comes, then `take` is given the bytes, as fast as it takes them; the last of them once it is certain that the
   * file has not changed meanwhile.
   */
  read(
    sandbox: OpenSandbox,
    what: { path: string; offset: number; length: number; hash: 'sha1' | 'sha256' | null },
    begin: (file: LiveFile) => void,
    take: (chunk: Buffer) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
}

const readersMax = 4;
const listTimeoutMs = 30_000;
const readTimeoutMs = 300_000;
const listTriesMax = 3;
const listBytesMax = 1024 ** 2;
const headBytesMax = 256;

export function createLiveFiles(): LiveFiles {
  const script = readFileSync(new URL('live-files.sh', import.meta.url), 'utf8');
  const places = new Map<string, { gate: StartGate; users: number }>();

  async function inPlace<T>({ record: { sessionId } }: OpenSandbox, work: () => Promise<T>): Promise<T> {
    const place = places.get(sessionId) ?? { gate: createStartGate(readersMax), users: 0 };
    places.set(sessionId, place);
    place.users += 1;
    try {
      return await place.gate.run(work);
    } finally {
      place.users -= 1;
      if (place.users === 0) places.delete(sessionId);
    }
  }

  async function run(
    sandbox: OpenSandbox,
    path: string,
    variables: Record<string, string>,
    bounds: { timeoutMs: number; outputBytesMax: number; signal: AbortSignal },
    take: (chunk: Buffer) => Promise<void>,
  ): Promise<void> {
    const { PATH } = baseEnvironment(sandbox.record.imageEnv);
    const env = { PATH: PATH!, WT_TREE: workspacePath, WT_PATH: escapedBytes(Buffer.from(path, 'utf8')), ...variables };
    const signal = AbortSignal.any([bounds.signal, sandbox.lost]);
    const command = { ...bounds, argv: ['sh', '-c', script], env, signal };
    let stderr = '';
    for await (const frame of followInternalCommand(sandbox.link, command)) {
      if (frame.type === 'output' && frame.stream === 'stdout') await take(Buffer.from(frame.bytes));
      if (frame.type === 'output' && frame.stream === 'stderr')
        stderr = (stderr + Buffer.from(frame.bytes).toString('latin1')).slice(-500);
      if (frame.type === 'end') return requireGood(path, frame, stderr);
    }
  }

  async function listOnce(
    sandbox: OpenSandbox,
    { path, limit, after }: { path: string; limit: number; after: string | null },
    signal: AbortSignal,
  ): Promise<FileListing | undefined> {
    const chunks: Buffer[] = [];
    const last = after === null ? '' : escapedBytes(decodeName(after));
    const variables = { WT_DO: 'list', WT_AFTER: last, WT_LIMIT: String(limit + 1) };
    const bounds = { timeoutMs: listTimeoutMs, outputBytesMax: listBytesMax, signal };
    await run(sandbox, path, variables, bounds, async (chunk) => void chunks.push(chunk));
    return readLiveListing(Buffer.concat(chunks), path, limit);
  }

  return {
    list: (sandbox, where, signal) =>
      inPlace(sandbox, async () => {
        for (let tries = 0; tries < listTriesMax; tries += 1) {
          const listing = await listOnce(sandbox, where, signal);
          if (listing) return listing;
        }
        throw fileProblem(where.path, where.path, 'changing');
      }),

    read: (sandbox, { path, offset, length, hash }, begin, take, signal) =>
      inPlace(sandbox, async () => {
        let head: Buffer | undefined = Buffer.alloc(0);
        let left = 0;
        let last = Buffer.alloc(0);
        const takePart = async (chunk: Buffer) => {
          let bytes = chunk;
          if (head) {
            head = Buffer.concat([head, chunk]);
            const end = head.indexOf('\n');
            if (end < 0 && head.length < headBytesMax) return;
            const file = readHead(head.toString('latin1', 0, Math.max(0, end)));
            if (!file || file.length > length) throw unexpected();
            begin(file);
            left = file.length;
            bytes = head.subarray(end + 1);
            head = undefined;
          }
          if (bytes.length > left) throw unexpected();
          left -= bytes.length;
          if (left > 0) await take(bytes);
          else last = Buffer.concat([last, bytes]);
        };
        const variables = {
          ...{ WT_DO: 'read', WT_HASH: hash ?? '', WT_HASH_BYTES_MAX: String(hash === null ? -1 : fileBytesMax) },
          ...{ WT_OFFSET: String(offset), WT_LENGTH: String(length) },
        };
        const bounds = { timeoutMs: readTimeoutMs, outputBytesMax: length + 65_536, signal };
        await run(sandbox, path, variables, bounds, takePart);
        if (head || left > 0) throw fileProblem(path, path, 'changing');
        if (last.length > 0) await take(last);
      }),
  };
}

function requireGood(path: string, end: EndFrame, stderr: string): void {
  const problem = readProblem(path, end, stderr);
  if (problem) throw problem;
}

/** `path`: of the directory. Undefined where something vanished while it was looked at. */
export function readLiveListing(output: Buffer, path: string, limit: number): FileListing | undefined {
  if (output.length === 0) return { items: [], next: null };
  const fields = output.toString('latin1').split('\0');
  const facts = fields[0]!.split('\n').filter((line) => line !== '');
  const endOfNames = fields.indexOf('', 1);
  const names = fields.slice(1, endOfNames);
  if (endOfNames < 0 || facts.length !== names.length) return undefined;
  const nested = new Set(fields.slice(endOfNames + 1));
  const page = names.slice(0, limit);
  const items = page.flatMap((name, index): FileItem[] => {
    const [, mode, size] = /^([0-9a-f]{1,8}) (\d{1,16})$/.exec(facts[index]!) ?? [];
    const type = typeOf(Number.parseInt(mode ?? '0', 16));
    if (!type || size === undefined) return [];
    const shown = shownPath(Buffer.from(name, 'latin1'));
    const isNested = type === 'directory' && nested.has(name);
    return [
      {
        name: shown,
        path: path === '' ? shown : `${path}/${shown}`,
        type: isNested ? 'submodule' : type,
        size: type === 'directory' ? null : Number(size),
        executable: type === 'file' && (Number.parseInt(mode!, 16) & 0o100) !== 0,
      },
    ];
  });
  return { items, next: names.length > limit ? encodeName(Buffer.from(page.at(-1)!, 'latin1')) : null };
}

/** What is no file, directory or link is not shown. */
function typeOf(mode: number): 'file' | 'directory' | 'symlink' | undefined {
  const types: Record<number, 'file' | 'directory' | 'symlink'> = {
    0o100000: 'file',
    0o040000: 'directory',
    0o120000: 'symlink',
  };
  return types[mode & 0o170000];
}

function readHead(line: string): LiveFile | undefined {
  const found = /^file (\d{1,15}) (\d{1,15}) (\d{1,15}) ([0-9a-f]{40}|[0-9a-f]{64}|-)$/.exec(line);
  if (!found) return undefined;
  const [size, offset, length] = found.slice(1, 4).map(Number) as [number, number, number];
  return { size, offset, length, blob: found[4] === '-' ? null : found[4]! };
}

function unexpected(): Error {
  return new Error('the sandbox answered something else than the file that was asked for');
}
