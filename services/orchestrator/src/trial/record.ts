// What is recorded of a trial: the read model, and each verdict as an event of the session that was judged.
//
// A verdict is number 1 of the producer that is the trial, so it is in the session's history once however often it is recorded.

import { agentName } from '@worktrail/contract/agents';
import type { TrialDocument } from '@worktrail/contract/documents';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { TrialAttempt } from '@worktrail/contract/trial-messages';
import type { TrialState } from './state.ts';

export interface RecordTrialInput {
  document: TrialDocument;
  /** Of sessions that were started and whose attempts have ended, told by nothing that was recorded before. */
  verdicts: { ref: SandboxRef; draft: EventDraft }[];
}

export function verdictsToRecord({ spec, attempts }: TrialState): RecordTrialInput['verdicts'] {
  return attempts.flatMap(({ session, verdict, reason, endedAt, verdictRecorded }, index) => {
    if (endedAt === null || session === 'unstarted' || verdictRecorded) return [];
    const attempt = spec.attempts[index]!;
    const { organizationId, projectId, sessionId, partition } = attempt.session;
    const value = {
      ...{ trialId: spec.trialId, taskId: spec.taskId, attempt: index + 1, strategy: strategyOf(attempt) },
      ...{ verdict: verdict ?? '', reason: reason ?? '' },
    };
    return {
      // No placement of the session has anything to do with it.
      ref: { organizationId, projectId, sessionId, partition, generation: 0 },
      draft: {
        number: 1,
        time: endedAt,
        actor: { kind: 'system', id: 'orchestrator' },
        payload: { case: 'trialVerdict', value },
      },
    };
  });
}

function strategyOf({ strategy, message }: TrialAttempt): string {
  return strategy ?? (message ? agentName(message.agent) : 'commands');
}
