// worktrail files list <session> [path] | files read <session> <path> | files write <session> <path> [file] | files delete <session> <path>
//
// What is larger than the API gives at once is read range after range; that they are of one and the same file is checked.

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { type FileContent, type FileItem, WorktrailApiError, type WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes } from '../screen/quantities.ts';
import { writeAll } from '../screen/screen.ts';
import { checkpointIdOf } from './resolve-checkpoint.ts';

export async function fileList(
  cli: Cli,
  sessionId: string,
  path: string | undefined,
  { at: named }: { at?: string },
): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const at = named && (await checkpointIdOf(client, sessionId, named));
  const items: FileItem[] = [];
  for await (const item of client.files.all(sessionId, { path, at })) items.push(item);
  if (screen.json) await screen.document({ items });
  else {
    const columns = [{ title: 'TYPE' }, { title: 'SIZE', align: 'right' as const }, { title: 'NAME', shrinks: true }];
    await screen.table(columns, items.map(itemRow));
  }
  return exitCodes.ok;
}

function itemRow({ type, size, name, executable }: FileItem): string[] {
  const marks = { file: executable ? '*' : '', directory: '/', symlink: '@', submodule: '/' };
  return [type, size === null ? '' : formatBytes(size), name + marks[type]];
}

export async function fileGet(
  cli: Cli,
  sessionId: string,
  path: string,
  { at: named, output }: { at?: string; output?: string },
): Promise<number> {
  const client = await cli.client();
  const at = named && (await checkpointIdOf(client, sessionId, named));
  const first = await begin(client, sessionId, path, at);
  if (output === undefined) {
    await copy(client, first, { sessionId, path, at }, cli.screen.stdout);
    return exitCodes.ok;
  }
  // What is in its place stays until the whole file is there.
  const part = createWriteStream(`${output}.part`);
  await once(part, 'open');
  await copy(client, first, { sessionId, path, at }, part);
  await new Promise<void>((resolve) => part.end(resolve));
  await rename(`${output}.part`, output);
  return exitCodes.ok;
}

async function copy(
  client: WorktrailClient,
  first: FileContent,
  { sessionId, path, at }: { sessionId: string; path: string; at: string | undefined },
  target: Writable,
): Promise<void> {
  for (let part = first; ; ) {
    for await (const chunk of part.body) await writeAll(target, chunk);
    const offset = part.offset + part.length;
    if (offset >= part.size) return;
    part = await client.files.open(sessionId, path, { at, offset });
    if (part.size !== first.size || part.etag !== first.etag || part.at !== first.at) {
      throw new Error(`${path} has changed while it was read`);
    }
  }
}

async function begin(
  client: WorktrailClient,
  sessionId: string,
  path: string,
  at: string | undefined,
): Promise<FileContent> {
  try {
    return await client.files.open(sessionId, path, { at });
  } catch (error) {
    if (!(error instanceof WorktrailApiError) || error.code !== 'body_too_large') throw error;
    return client.files.open(sessionId, path, { at, offset: 0 });
  }
}

/** From a local file, or from stdin. */
export async function filePut(
  { client, screen, surroundings }: Cli,
  sessionId: string,
  path: string,
  file: string | undefined,
  { executable, ifMatch, create }: { executable?: true; ifMatch?: string; create?: true },
): Promise<number> {
  const bytes = file === undefined ? await readAll(surroundings.stdin) : new Uint8Array(await readFile(file));
  const wanted = { ...(executable && { executable }), ...(ifMatch && { ifMatch }), ...(create && { create }) };
  const changed = await (await client()).files.put(sessionId, path, bytes, wanted);
  await (screen.json ? screen.document(changed) : screen.line(`${changed.path}  ${changed.status}`));
  return exitCodes.ok;
}

export async function fileRemove(
  { client, screen }: Cli,
  sessionId: string,
  path: string,
  { ifMatch }: { ifMatch?: string },
): Promise<number> {
  await (await client()).files.delete(sessionId, path, ifMatch === undefined ? {} : { ifMatch });
  await (screen.json ? screen.document({ path, status: 'deleted' }) : screen.line(`${path}  deleted`));
  return exitCodes.ok;
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return new Uint8Array(Buffer.concat(chunks));
}
