// What a runner tells in a session's history of its own: refusals and usage, by a producer of the session's generation here.
//
// 1. In the order in which they were told, each once, while this process lives; what it had not published when it was killed is lost.
// 2. Telling never waits: up to `waitingMax` facts are held while NATS is away, the oldest go first, and how many did is logged.

import {
  createProducer,
  type EventInit,
  type Producer,
  type ProducerDeps,
  recoverProducer,
  StaleProducerError,
} from '@worktrail/runtime/event-producer';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { setTimeout as delay } from 'node:timers/promises';

const waitingMax = 1_000;
const retryMs = 1_000;
const actor = { kind: 'system', id: 'sandbox-runner' } as const;

export interface RunnerFacts {
  tell(payload: EventInit['payload']): void;
  /** Resolves once all that was told is stored, or `signal` of the deps aborts. */
  settled(): Promise<void>;
}

export interface RunnerFactsDeps {
  events: ProducerDeps;
  clock: () => number;
  signal: AbortSignal;
}

export function runnerProducer(generation: number): string {
  return `runner-${generation}`;
}

export function createRunnerFacts({ events, clock, signal }: RunnerFactsDeps, ref: SandboxRef): RunnerFacts {
  const waiting: EventInit[] = [];
  const producerRef = { ...ref, producer: runnerProducer(ref.generation), signal };
  let publishing = Promise.resolve();
  let isPublishing = false;
  let producer: Producer | undefined;

  /** Its outcome being unknown, it is looked for before it is published again: createProducer settles that. */
  async function publishFirst(): Promise<void> {
    try {
      producer ??= createProducer(events, producerRef, await recoverProducer(events, producerRef));
      await producer.append(waiting[0] as EventInit);
      waiting.shift();
    } catch (error) {
      producer = undefined;
      signal.throwIfAborted();
      if (error instanceof StaleProducerError) return;
      events.log.warn({ err: error, sessionId: ref.sessionId }, 'what a runner tells of a session was not taken');
      await delay(retryMs, undefined, { signal });
    }
  }

  async function publish(): Promise<void> {
    isPublishing = true;
    try {
      while (waiting.length > 0) await publishFirst();
    } catch {
      // The process ends.
    } finally {
      isPublishing = false;
    }
  }

  return {
    tell(payload) {
      if (waiting.length >= waitingMax) {
        // The first may be under way.
        waiting.splice(1, 1);
        events.log.error({ sessionId: ref.sessionId }, 'a fact about a session is lost: too many wait');
      }
      waiting.push({ time: new Date(clock()), actor, payload });
      if (!isPublishing) publishing = publish();
    },
    settled: () => publishing,
  };
}
