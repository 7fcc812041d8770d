// Idempotency-Key: the first request with a key reserves it and draws its ids; a repetition gets the same resource.
//
// 1. The reservation is made before anything else happens, by a create in a bucket whose entries live 24 hours. It keeps a hash of
//    the body and the sealed seed of all ids and secrets of the request.
// 2. A repetition with another body is refused. With the same body it gets the kept answer; where there is none yet (the first is
//    still at work, or died), the work is driven again with the same seed, and so on the same resources.
// 3. Only success is kept: what failed may be tried again under the same key. Seed and answer are sealed: they may hold a new key.

import { createHash } from 'node:crypto';
import type { KV } from '@nats-io/kv';
import { WorktrailError } from '@worktrail/contract/errors';
import { createDocument, readDocument, replaceDocument, type Stored } from '@worktrail/runtime/buckets';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import { callTimeoutsMs, within } from './deadline.ts';
import { createDraw, type Draw, newSeed } from './draw.ts';
import type { Reply } from './http/reply.ts';

export const idempotencyTtlMs = 24 * 3600 * 1_000;
const answerBytesMax = 512 * 1024;

export interface IdempotentRequest {
  /** Who asks for what: keys of different scopes have nothing to do with each other. */
  scope: string;
  key: string;
  bodyHash: string;
  keepsAnswer: boolean;
}

export interface Idempotency {
  run(request: IdempotentRequest, work: (draw: Draw, retried: boolean) => Promise<Reply>): Promise<Reply>;
}

interface Reservation {
  bodyHash: string;
  timeMs: number;
  seed: string;
  answer: string | null;
}

export function createIdempotency(bucket: KV, box: SecretBox): Idempotency {
  return {
    async run(request, work) {
      const key = createHash('sha256').update(`${request.scope}\n${request.key}`).digest('hex');
      const { reservation, revision, isNew } = await reserve(bucket, box, key, request.bodyHash);
      if (reservation.bodyHash !== request.bodyHash) {
        throw new WorktrailError('idempotency_key_reused', `the key ${request.key} was used with another body`);
      }
      if (reservation.answer !== null) return replayed(box, key, reservation.answer);
      const seed = Buffer.from(box.open(reservation.seed, key), 'hex');
      const reply = await work(createDraw(seed, reservation.timeMs), !isNew);
      return request.keepsAnswer ? await keep(bucket, box, key, { value: reservation, revision }, reply) : reply;
    },
  };
}

async function reserve(
  bucket: KV,
  box: SecretBox,
  key: string,
  bodyHash: string,
): Promise<{ reservation: Reservation; revision: number; isNew: boolean }> {
  const fresh = { bodyHash, timeMs: Date.now(), seed: box.seal(newSeed().toString('hex'), key), answer: null };
  return await within('nats', callTimeoutsMs.nats, async () => {
    const isNew = await createDocument(bucket, key, fresh);
    const stored = await readDocument<Reservation>(bucket, key);
    if (!stored) throw new Error('the reservation of the idempotency key has vanished');
    return { reservation: stored.value, revision: stored.revision, isNew };
  });
}

/** The first answer that is kept counts for everyone. Where it cannot be kept now, the work is driven again next time. */
async function keep(
  bucket: KV,
  box: SecretBox,
  key: string,
  stored: Stored<Reservation>,
  reply: Reply,
): Promise<Reply> {
  if (!isKeepable(reply)) return reply;
  const answer = box.seal(JSON.stringify(reply), key);
  try {
    const won = await within('nats', callTimeoutsMs.nats, () =>
      replaceDocument(bucket, key, { ...stored.value, answer }, stored.revision),
    );
    if (won !== undefined) return reply;
    const other = await within('nats', callTimeoutsMs.nats, () => readDocument<Reservation>(bucket, key));
    return other && other.value.answer !== null ? replayed(box, key, other.value.answer) : reply;
  } catch {
    return reply;
  }
}

function isKeepable({ status, body }: Reply): boolean {
  return status < 300 && (body === null || (typeof body === 'string' && body.length <= answerBytesMax));
}

function replayed(box: SecretBox, key: string, answer: string): Reply {
  const reply = JSON.parse(box.open(answer, key)) as Reply;
  return { ...reply, headers: { ...reply.headers, 'idempotency-replayed': 'true' } };
}
