// A command's output again, from its journal on the runner that has it.
//
// 1. Every question ends: an answer within `answerMs`, a few tries, and all waiting of one batch together at most `patienceMs`, so
//    that a runner that is away does not hold up the partition. Then there is no answer.
// 2. While NATS itself does not answer nothing is known of the runner: that is an error, and worth asking again.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type { SessionDocument } from '@worktrail/contract/documents';
import { runnerControlSubject, sessionKey } from '@worktrail/contract/subjects';
import {
  type ControlReply,
  ControlReplySchema,
  ControlRequestSchema,
  type JournalRange,
} from '@worktrail/proto/runner';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Logger } from '@worktrail/runtime/log';

export interface JournalQuestion {
  organizationId: string;
  sessionId: string;
  commandId: string;
  fromPosition: number;
  toPosition: number;
}

/** For the holes of one batch. */
export interface JournalReader {
  /** The beginning of the range and, if it is long, not all of it; undefined where nobody has it. */
  read(question: JournalQuestion): Promise<JournalRange | undefined>;
}

export interface JournalSource {
  open(): JournalReader;
}

interface JournalSourceDeps {
  nats: NatsConnection;
  sessions: KV;
  log: Logger;
  signal: AbortSignal;
  answerMs?: number;
  patienceMs?: number;
}

/** The runner, or nobody, has it. */
class NoAnswer extends Error {}

const triesMax = 4;
const pauseMs = 250;
const chunkBytesMax = 512 * 1024;

export function createJournalSource(deps: JournalSourceDeps): JournalSource {
  const { nats, sessions, log, signal, answerMs = 2_000, patienceMs = 6_000 } = deps;

  async function request(subject: string, bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return (await nats.request(subject, bytes, { timeout: answerMs })).data;
    } catch (error) {
      await within(answerMs, nats.flush());
      throw new NoAnswer('the runner does not answer', { cause: error });
    }
  }

  async function ask(question: JournalQuestion): Promise<JournalRange> {
    const { organizationId, sessionId, commandId, fromPosition, toPosition } = question;
    const document = await readDocument<SessionDocument>(sessions, sessionKey(organizationId, sessionId));
    const runnerId = document?.value.runnerId;
    if (!runnerId) throw new NoAnswer('the session has no runner');
    const range = { fromPosition: BigInt(fromPosition), toPosition: BigInt(toPosition), bytesMax: chunkBytesMax };
    const target = { organizationId, sessionId, commandId };
    const operation = { case: 'readJournal' as const, value: range };
    const bytes = toBinary(ControlRequestSchema, create(ControlRequestSchema, { ...target, operation }));
    const reply = decode(await request(runnerControlSubject(runnerId), bytes));
    if (reply.errorCode !== '') throw new NoAnswer(`${reply.errorCode}: ${reply.errorDetail}`);
    if (!reply.journalRange) throw new NoAnswer('the runner does not read journals');
    return reply.journalRange;
  }

  return {
    open: () => {
      let patienceLeftMs = patienceMs;
      return {
        read: async (question) => {
          for (let tries = 1; ; tries++) {
            const began = performance.now();
            try {
              return await ask(question);
            } catch (error) {
              signal.throwIfAborted();
              if (!(error instanceof NoAnswer)) throw error;
              patienceLeftMs -= performance.now() - began + pauseMs;
              const hasEnded = tries === triesMax || patienceLeftMs < 0;
              const { commandId } = question;
              log.warn({ err: error, commandId, tries, hasEnded }, 'what is missing was not had from the journal');
              if (hasEnded) return undefined;
              await new Promise((resolve) => setTimeout(resolve, pauseMs));
            }
          }
        },
      };
    },
  };
}

function decode(bytes: Uint8Array): ControlReply {
  try {
    return fromBinary(ControlReplySchema, bytes);
  } catch (error) {
    throw new NoAnswer('the answer of the runner cannot be read', { cause: error });
  }
}

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`NATS did not answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
