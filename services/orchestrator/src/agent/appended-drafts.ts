// Whether the stream has what a session's workflow decided to write down: who needs it waits here, beside the recording.
//
// 1. What this process appends is known at once; what another does is looked for in the stream, less and less often.
// 2. It waits for as long as it takes, NATS being away included, until its signal aborts.

import { EventEmitter, once } from 'node:events';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { eventSubject } from '@worktrail/contract/subjects';
import { type ProducerDeps, recoverProducer } from '@worktrail/runtime/event-producer';
import type { EventPoint } from './model-step-messages.ts';

export interface AppendedDrafts {
  noted(ref: SandboxRef, point: EventPoint): void;
  /** Resolves once the producer has come to this event. */
  until(ref: SandboxRef, point: EventPoint, signal: AbortSignal): Promise<void>;
}

const patienceMs = { first: 100, most: 2_000 };
/** About as many as there are uses of tools at the same time. */
const rememberedMax = 10_000;

export function createAppendedDrafts(deps: ProducerDeps): AppendedDrafts {
  /** By subject, the newest. */
  const numbers = new Map<string, number>();
  const bell = new EventEmitter().setMaxListeners(0);
  return {
    noted: (ref, { producer, number }) => {
      const subject = eventSubject(ref, producer);
      numbers.delete(subject);
      numbers.set(subject, number);
      if (numbers.size > rememberedMax) numbers.delete(numbers.keys().next().value!);
      bell.emit(subject);
    },
    until: async (ref, { producer, number }, signal) => {
      const subject = eventSubject(ref, producer);
      const isNoted = () => (numbers.get(subject) ?? 0) >= number;
      const isStored = async () => {
        const stored = await recoverProducer(deps, { ...ref, producer, signal }).catch(() => undefined);
        return stored !== undefined && stored.number >= number;
      };
      for (let ms = patienceMs.first; !isNoted(); ms = Math.min(2 * ms, patienceMs.most)) {
        signal.throwIfAborted();
        const rung = once(bell, subject, { signal: AbortSignal.any([signal, AbortSignal.timeout(ms)]) });
        await rung.catch(() => undefined);
        signal.throwIfAborted();
        if (isNoted() || (await isStored())) return;
      }
    },
  };
}
