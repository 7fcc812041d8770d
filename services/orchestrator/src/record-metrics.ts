// How often and how fast workflows' decisions are written down, and how often that fails.

import type { Metrics } from '@worktrail/runtime/metrics';
import { Histogram } from 'prom-client';
import type { RecordActivities } from './record-activities.ts';

export function measureActivities(activities: RecordActivities, metrics: Metrics): RecordActivities {
  const seconds = new Histogram({
    name: 'worktrail_record_seconds',
    help: 'Time to append events and write a document',
    labelNames: ['activity', 'result'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30],
    registers: [metrics],
  });
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
    recordSession: (input) => measured('recordSession', () => activities.recordSession(input)),
    endLostCommands: (input) => measured('endLostCommands', () => activities.endLostCommands(input)),
    recordProposal: (input) => measured('recordProposal', () => activities.recordProposal(input)),
    readApprovalPolicy: (of) => measured('readApprovalPolicy', () => activities.readApprovalPolicy(of)),
    recordTrial: (document) => measured('recordTrial', () => activities.recordTrial(document)),
  };
}
