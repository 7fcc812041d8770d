// The runner's part in scans: what a commit has, read from its index in a thread of its own, one scan at a time.

import type { ScanActivities } from '@worktrail/contract/scan-messages';
import { beating, currentRun, withFailures } from '../activities.ts';
import { createIndexThread, type IndexThread, oneAtATime } from '../context/index-thread.ts';
import type { ContextPlace, RepositoryContext } from '../context/repository-context.ts';
import type { ScanAnswer, ScanRequest } from './scan-thread.ts';

export interface ScanActivityDeps {
  context: Pick<RepositoryContext, 'prepare'>;
  thread: IndexThread;
}

const silentMsMax = 60_000;
const idleMsMax = 10_000;

export function createScanThread(): IndexThread {
  const program = new URL('./scan-thread.ts', import.meta.url);
  return oneAtATime(createIndexThread({ kind: 'scan', program, heapMbMax: 1_024, silentMsMax, idleMsMax }));
}

export function createScanActivities({ context, thread }: ScanActivityDeps): ScanActivities {
  /** An index that was given up for space meanwhile is made once more. */
  const scan = async (place: ContextPlace, asked: ScanWork, signal: AbortSignal) => {
    for (let attempt = 1; ; attempt++) {
      const at = await context.prepare(place, signal);
      const answer = (await thread.ask({ at, ...asked } satisfies ScanRequest, signal)) as ScanAnswer;
      if (attempt === 2 || answer.do === 'locate' || answer.result.complete) return answer;
    }
  };
  const run = (work: (signal: AbortSignal) => Promise<ScanAnswer>) =>
    withFailures(() => {
      const activity = currentRun();
      return beating(activity, () => work(activity.signal));
    });
  return {
    async scanRepository({ organizationId, projectId, repository, known }) {
      const place = { organizationId, projectId, repository, ref: null };
      const answer = await run((signal) => scan(place, { do: 'scan', known }, signal));
      if (answer.do !== 'scan') throw new Error('the thread has answered something else');
      return answer.result;
    },
    async locateEvidence({ organizationId, projectId, repository, commit, claims }) {
      const place = { organizationId, projectId, repository, ref: commit };
      const answer = await run((signal) => scan(place, { do: 'locate', claims }, signal));
      if (answer.do !== 'locate') throw new Error('the thread has answered something else');
      return answer.located;
    },
  };
}

type ScanWork = ScanRequest extends infer One ? (One extends unknown ? Omit<One, 'at'> : never) : never;
