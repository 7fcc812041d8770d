// How objects lie in a NATS object store (ADR-20), so that `nats object` reads them: chunks on a subject of their upload, and what they are
// on a subject of their name. The message on the name's subject makes an object: without it the chunks are nobody's.

import { DiscardPolicy, JetStreamApiError, type JetStreamManager, StorageType } from '@nats-io/jetstream';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import { artifactBucket } from '@worktrail/contract/subjects';

export const objectStream = `OBJ_${artifactBucket}`;

/** What an object's last message says of it. */
export interface ObjectInfo {
  name: string;
  bucket: string;
  nuid: string;
  size: number;
  chunks: number;
  digest: string;
  mtime: string;
  deleted: boolean;
  options: { max_chunk_size: number };
}

/** Makes the store where it is missing, or brings it to these bounds. */
export async function ensureObjectStore(
  jsm: JetStreamManager,
  { replicas, storeBytesMax }: { replicas: number; storeBytesMax: number | null },
): Promise<void> {
  const wanted = {
    name: objectStream,
    subjects: [`${chunkSubjects}.>`, `${infoSubjects}.>`],
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    allow_direct: true,
    num_replicas: replicas,
    max_bytes: storeBytesMax ?? -1,
  };
  const existing = await jsm.streams.info(objectStream).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === 10059) return undefined;
    throw error;
  });
  if (existing) await jsm.streams.update(objectStream, { ...existing.config, ...wanted });
  else await jsm.streams.add(wanted);
}

export const chunkSubjects = `$O.${artifactBucket}.C`;
export const infoSubjects = `$O.${artifactBucket}.M`;

export function chunkSubject(nuid: string): string {
  return `${chunkSubjects}.${nuid}`;
}

export function infoSubject(name: string): string {
  const encoded = Buffer.from(name, 'utf8').toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  return `${infoSubjects}.${encoded}`;
}

export function digestText(sha256: Buffer): string {
  return `SHA-256=${sha256.toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;
}

export function artifactOf({ name, digest, size }: ObjectInfo): StoredArtifact {
  const sha256 = Buffer.from(digest.slice('SHA-256='.length), 'base64url').toString('hex');
  return { name, sha256, bytes: size };
}
