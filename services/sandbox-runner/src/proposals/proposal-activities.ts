// The activities of proposals as Temporal calls them.

import type { ProposalActivities } from '@worktrail/contract/proposal-activities';
import { beating, currentRun, withFailures } from '../activities.ts';
import type { PartWatch } from '../host/part-watch.ts';
import { NoDiskSpace } from '../host/disk-space.ts';
import { type CandidateDeps, prepareCandidate } from './candidate.ts';
import { type PushDeps, pushCandidate } from './candidate-push.ts';
import { closePullRequest, openPullRequest, type PullRequestDeps, readPullRequest } from './pull-request.ts';

export interface ProposalActivityDeps extends CandidateDeps, PushDeps, PullRequestDeps {
  mirrors: CandidateDeps['mirrors'];
  disk: Pick<PartWatch, 'failure'>;
}

export function createProposalActivities(deps: ProposalActivityDeps): ProposalActivities {
  const run = <T>(work: (signal: AbortSignal) => Promise<T>) =>
    withFailures(async () => {
      const activity = currentRun();
      const failure = deps.disk.failure();
      if (failure !== null) throw new NoDiskSpace(failure);
      return beating(activity, () => work(activity.signal));
    });
  return {
    prepareCandidate: (input) => run((signal) => prepareCandidate(deps, input, signal)),
    pushCandidate: (input) => run((signal) => pushCandidate(deps, input, signal)),
    openPullRequest: (input) => run((signal) => openPullRequest(deps, input, signal)),
    readPullRequest: (input) => run((signal) => readPullRequest(deps, input, signal)),
    closePullRequest: (input) => run((signal) => closePullRequest(deps, input, signal)),
  };
}
