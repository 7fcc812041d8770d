// The activities that write down what workflows decide: events to the stream, documents to the read model. Each may be repeated.

import type { KV } from '@nats-io/kv';
import type { TrialDocument } from '@worktrail/contract/documents';
import { sessionKey, trialKey } from '@worktrail/contract/subjects';
import { Context } from '@temporalio/activity';
import { putVersioned } from '@worktrail/runtime/buckets';
import { appendDrafts, type ProducerDeps } from '@worktrail/runtime/event-producer';
import type { RecordSessionInput } from './session/record.ts';
import type { PendingEvent } from './session/state.ts';

export interface RecordActivities {
  /** Appends the events in order, skipping what is there, then writes the document unless a newer one is there. */
  recordSession(input: RecordSessionInput): Promise<void>;
  recordTrial(document: TrialDocument): Promise<void>;
}

export interface RecordDeps {
  producer: ProducerDeps;
  sessions: KV;
  trials: KV;
}

export function createRecordActivities({ producer, sessions, trials }: RecordDeps): RecordActivities {
  return {
    async recordSession({ ref, events, document }) {
      const { cancellationSignal: signal, info } = Context.current();
      for (const run of byProducer(events)) {
        await appendDrafts(producer, { ...ref, producer: run.producer, signal }, run.drafts, info.attempt === 1);
      }
      await putVersioned(sessions, sessionKey(document.organizationId, document.id), document);
    },
    async recordTrial(document) {
      await putVersioned(trials, trialKey(document.organizationId, document.id), document);
    },
  };
}

/** Neighbours of one producer together; the order of all stays as it is. */
function byProducer(events: readonly PendingEvent[]): { producer: string; drafts: PendingEvent['draft'][] }[] {
  const runs: { producer: string; drafts: PendingEvent['draft'][] }[] = [];
  for (const { producer, draft } of events) {
    const last = runs.at(-1);
    if (last?.producer === producer) last.drafts.push(draft);
    else runs.push({ producer, drafts: [draft] });
  }
  return runs;
}
