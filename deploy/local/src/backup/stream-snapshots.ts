/**
 * A JetStream stream as one file and back, by the server's own snapshots: messages, sequences and consumers as they are at one moment.
 *
 * The file is the server's, cut into messages on the way; only its order counts.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import type { Manifest } from './manifest.ts';

export type StreamSnapshot = Manifest['streams'][number];

const CHUNK_BYTES = 128 * 1024;
const ANSWER_TIMEOUT_MS = 30_000;
/** Without any piece of it for so long. */
const SILENCE_TIMEOUT_MS = 60_000;

/** `created`: of the stream, as the server says it. */
export async function takeSnapshot(
  connection: NatsConnection,
  { name, created }: { name: string; created: string },
  path: string,
): Promise<StreamSnapshot> {
  const inbox = createInbox();
  const pieces = connection.subscribe(inbox);
  const file = createWriteStream(path, { mode: 0o600 });
  const silence = setTimeout(() => pieces.unsubscribe(), SILENCE_TIMEOUT_MS);
  try {
    const asked = { deliver_subject: inbox, chunk_size: CHUNK_BYTES, no_consumers: false, jsck: false };
    const subject = `$JS.API.STREAM.SNAPSHOT.${name}`;
    const { config, state } = await ask<Pick<StreamSnapshot, 'config' | 'state'>>(connection, subject, asked);
    let isWhole = false;
    for await (const piece of pieces) {
      silence.refresh();
      isWhole = piece.data.length === 0;
      if (isWhole && piece.headers && piece.headers.code >= 300) throw new Error(piece.headers.description);
      if (isWhole) break;
      if (!file.write(piece.data)) await once(file, 'drain');
      piece.respond();
    }
    if (!isWhole) throw new Error('the server stopped in the middle');
    file.end();
    await once(file, 'close');
    return { name, config, state, created };
  } catch (error) {
    file.destroy();
    throw new Error(`the stream ${name} could not be saved: ${(error as Error).message}`, { cause: error });
  } finally {
    clearTimeout(silence);
    pieces.unsubscribe();
  }
}

/** The stream must not be there. It gets the sequences that it had, and a new time of creation. */
export async function restoreSnapshot(
  connection: NatsConnection,
  { name, config, state }: StreamSnapshot,
  path: string,
): Promise<StreamSnapshot['state']> {
  try {
    const subject = `$JS.API.STREAM.RESTORE.${name}`;
    const { deliver_subject: to } = await ask<{ deliver_subject: string }>(connection, subject, { config, state });
    const options = { timeout: SILENCE_TIMEOUT_MS };
    for await (const piece of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
      const answer = await connection.request(to, piece as Buffer, options);
      if (answer.data.length > 0) refuseErrors(answer.json());
    }
    const end = (await connection.request(to, new Uint8Array(), options)).json<{ state: StreamSnapshot['state'] }>();
    refuseErrors(end);
    return end.state;
  } catch (error) {
    throw new Error(`the stream ${name} could not be made again: ${(error as Error).message}`, { cause: error });
  }
}

async function ask<T>(connection: NatsConnection, subject: string, question: unknown): Promise<T> {
  const options = { timeout: ANSWER_TIMEOUT_MS };
  const answer = (await connection.request(subject, JSON.stringify(question), options)).json<T>();
  refuseErrors(answer);
  return answer;
}

function refuseErrors(answer: unknown): void {
  const { error } = answer as { error?: { description?: string } };
  if (error) throw new Error(error.description ?? JSON.stringify(error));
}
