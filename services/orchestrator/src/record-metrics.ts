// How often and how fast workflows' decisions are written down, and how often that fails; and how turns end.

import type { Metrics } from '@worktrail/runtime/metrics';
import { Counter, Histogram } from 'prom-client';
import type { RecordActivities } from './record-activities.ts';
import type { RecordSessionInput } from './session/record.ts';

export function measureActivities(activities: RecordActivities, metrics: Metrics): RecordActivities {
  const seconds = new Histogram({
    name: 'worktrail_record_seconds',
    help: 'Time to append events and write a document',
    labelNames: ['activity', 'result'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30],
    registers: [metrics],
  });
  const turns = new Counter({
    name: 'worktrail_turns_total',
    help: 'Turns whose end was written down',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const recordSession = async (input: RecordSessionInput): Promise<void> => {
    await activities.recordSession(input);
    for (const { draft } of input.events)
      if (draft.payload.case === 'turnEnded') turns.inc({ outcome: draft.payload.value.outcome });
  };
  const measured = async <T>(activity: keyof RecordActivities, work: () => Promise<T>): Promise<T> => {
    const stop = seconds.startTimer({ activity });
    try {
      const result = await work();
      stop({ result: 'ok' });
      return result;
    } catch (error) {
      stop({ result: 'failed' });
      throw error;
    }
  };
  return {
    recordSession: (input) => measured('recordSession', () => recordSession(input)),
    endLostCommands: (input) => measured('endLostCommands', () => activities.endLostCommands(input)),
    endLeftAgents: (input) => measured('endLeftAgents', () => activities.endLeftAgents(input)),
    recordProposal: (input) => measured('recordProposal', () => activities.recordProposal(input)),
    readApprovalPolicy: (of) => measured('readApprovalPolicy', () => activities.readApprovalPolicy(of)),
    recordTrial: (input) => measured('recordTrial', () => activities.recordTrial(input)),
  };
}
