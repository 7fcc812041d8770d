// The artifact store on a NATS object store: bundles and archives, whole or not at all.
//
// 1. `put` answers once what is stored was read back and has the file's digest and length. Until its last message an upload does not
//    count for anybody, and what a failed one left is purged: by itself, or by `purgeUnfinished` where its process died.
// 2. A name means one content for ever: the same content again is fine, another one is refused.
// 3. `get` gives the very object that was named, by digest and length, and its file appears whole or not at all.
// 4. In memory there is never more than one chunk: each is awaited before the next one is read.
//
// The client library for object stores holds a whole object in memory where its reader is slower than the server, hence this one.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import { artifactBucket } from '@worktrail/contract/subjects';
import { ArtifactCorrupt, ArtifactMissing, type ArtifactStore } from './artifact-store.ts';
import {
  artifactOf,
  chunkSubject,
  chunkSubjects,
  digestText,
  ensureObjectStore,
  infoSubject,
  infoSubjects,
  type ObjectInfo,
  objectStream,
} from '@worktrail/runtime/object-store-layout';

const chunkBytes = 256 * 1024;
/** So long without a new chunk an upload is taken for dead: each of them is awaited for seconds at most. */
const unfinishedMsMax = 15 * 60_000;
const readTriesMax = 5;

export interface NatsArtifactStoreOptions {
  js: JetStreamClient;
  jsm: JetStreamManager;
  replicas: number;
  /** Of all objects together; null: as much as the server has. */
  storeBytesMax: number | null;
  objectBytesMax: number;
  clock: () => number;
}

export interface NatsArtifactStore extends ArtifactStore {
  delete(name: string): Promise<void>;
  find(name: string): Promise<StoredArtifact | undefined>;
  /** Names that begin with this, in order. */
  list(prefix: string): Promise<string[]>;
  /** Removes what uploads left whose process died. Answers how many. */
  purgeUnfinished(): Promise<number>;
}

/** Makes the store where it is missing. */
export async function openNatsArtifactStore(options: NatsArtifactStoreOptions): Promise<NatsArtifactStore> {
  const { js, jsm } = options;
  await ensureObjectStore(jsm, options);

  const lastOf = (subject: string) => jsm.streams.getMessage(objectStream, { last_by_subj: subject }).catch(noMessage);

  async function find(name: string): Promise<ObjectInfo | undefined> {
    return (await lastOf(infoSubject(name)))?.json<ObjectInfo>();
  }

  async function upload(name: string, path: string, signal: AbortSignal): Promise<ObjectInfo> {
    const nuid = randomBytes(16).toString('hex');
    const hash = createHash('sha256');
    const info = { name, bucket: artifactBucket, nuid, size: 0, chunks: 0 };
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes, signal })) {
        const bytes = chunk as Buffer;
        hash.update(bytes);
        info.size += bytes.length;
        info.chunks += 1;
        if (info.size > options.objectBytesMax) throw tooLarge(name, options.objectBytesMax);
        await js.publish(chunkSubject(nuid), bytes);
        signal.throwIfAborted();
      }
      const digest = digestText(hash.digest());
      const mtime = new Date(options.clock()).toISOString();
      const whole = { ...info, digest, mtime, deleted: false, options: { max_chunk_size: chunkBytes } };
      await requireEqual(whole, readChunks(whole, signal));
      return whole;
    } catch (error) {
      await purge(chunkSubject(nuid)).catch(() => undefined);
      throw error;
    }
  }

  /** Each chunk by its own request: only what the reader asks for is on its way. */
  async function* readChunks(
    { nuid, chunks }: ObjectInfo,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const subject = chunkSubject(nuid);
    let sequence = 1;
    for (let count = 0; count < chunks; count += 1) {
      signal.throwIfAborted();
      const message = await nextChunk(subject, sequence);
      if (!message) throw new ArtifactCorrupt(`the object ends after ${count} of ${chunks} chunks`);
      sequence = message.seq + 1;
      yield message.data;
    }
  }

  async function nextChunk(subject: string, sequence: number) {
    const query = { seq: sequence, next_by_subj: subject };
    for (let tries = 1; ; tries += 1) {
      try {
        // A replica may be behind; who leads is not.
        return (
          (await jsm.direct.getMessage(objectStream, query)) ??
          (await jsm.streams.getMessage(objectStream, query).catch(noMessage))
        );
      } catch (error) {
        if (tries === readTriesMax) throw error;
      }
    }
  }

  const purge = (filter: string) => jsm.streams.purge(objectStream, { filter });

  async function subjects(filter: string): Promise<string[]> {
    const { state } = await jsm.streams.info(objectStream, { subjects_filter: filter });
    return Object.keys(state.subjects ?? {});
  }

  async function names(): Promise<string[]> {
    return (await subjects(`${infoSubjects}.*`)).map((subject) =>
      Buffer.from(subject.slice(infoSubjects.length + 1), 'base64url').toString('utf8'),
    );
  }

  return {
    async put(name, path, signal) {
      const known = await find(name);
      if (known) {
        const wanted = await fileInfo(path, signal);
        if (wanted.digest !== known.digest || wanted.size !== known.size) throw taken(name);
        await requireEqual(known, readChunks(known, signal));
        return artifactOf(known);
      }
      const info = await upload(name, path, signal);
      const first = headers();
      first.set('Nats-Expected-Last-Subject-Sequence', '0');
      try {
        await js.publish(infoSubject(name), JSON.stringify(info), { headers: first });
      } catch (error) {
        // Another one was faster, or the answer got lost: what is stored under the name decides.
        const stored = await find(name);
        if (stored?.nuid !== info.nuid) await purge(chunkSubject(info.nuid)).catch(() => undefined);
        if (!stored) throw error;
        if (stored.digest !== info.digest) throw taken(name);
      }
      return artifactOf(info);
    },

    async get(artifact, path, signal) {
      const info = await find(artifact.name);
      if (!info) throw new ArtifactMissing(`there is no object ${artifact.name}`);
      const wanted = { ...info, size: artifact.bytes, digest: digestText(Buffer.from(artifact.sha256, 'hex')) };
      if (info.size !== wanted.size || info.digest !== wanted.digest) throw taken(artifact.name);
      const temporary = `${path}.${randomBytes(6).toString('hex')}.part`;
      const file = await open(temporary, 'wx', 0o600);
      try {
        await requireEqual(wanted, readChunks(info, signal), (chunk) => file.writeFile(chunk));
        await file.sync();
        await file.close();
        await rename(temporary, path);
        await syncDirectory(dirname(path));
      } catch (error) {
        await file.close().catch(() => undefined);
        await rm(temporary, { force: true });
        throw error;
      }
    },

    async delete(name) {
      const found = await find(name);
      if (!found) return;
      // First the name, so that nobody finds an object without its content.
      await purge(infoSubject(name));
      await purge(chunkSubject(found.nuid));
    },

    async find(name) {
      const info = await find(name);
      return info && artifactOf(info);
    },

    list: async (prefix) => (await names()).filter((name) => name.startsWith(prefix)).toSorted(),

    async purgeUnfinished() {
      // In this order: an upload that ends in between has its name by the time that names are read.
      const uploads = await subjects(`${chunkSubjects}.*`);
      const named = new Set<string>();
      for (const name of await names()) named.add((await find(name))?.nuid ?? '');
      let purged = 0;
      for (const subject of uploads) {
        if (named.has(subject.slice(chunkSubjects.length + 1))) continue;
        const last = await lastOf(subject);
        if (!last || options.clock() - last.time.getTime() < unfinishedMsMax) continue;
        await purge(subject);
        purged += 1;
      }
      return purged;
    },
  };
}

async function fileInfo(path: string, signal: AbortSignal): Promise<Pick<ObjectInfo, 'size' | 'digest'>> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  return { size: (await stat(path)).size, digest: digestText(hash.digest()) };
}

/** @throws ArtifactCorrupt where the chunks are not what `wanted` says. */
async function requireEqual(
  wanted: Pick<ObjectInfo, 'name' | 'size' | 'digest'>,
  chunks: AsyncIterable<Uint8Array>,
  each?: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes > wanted.size) break;
    await each?.(chunk);
  }
  if (bytes === wanted.size && digestText(hash.digest()) === wanted.digest) return;
  throw new ArtifactCorrupt(`the object ${wanted.name} is not what was stored under its name`);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function noMessage(error: unknown): null {
  if (error instanceof JetStreamApiError && error.code === 10037) return null;
  throw error;
}

function taken(name: string): Error {
  return new ArtifactCorrupt(`the object ${name} has another content`);
}

function tooLarge(name: string, bytesMax: number): Error {
  return new Error(`the object ${name} is over the limit of ${bytesMax} bytes`);
}
