// The runners' part in proposals, by script: a target branch that is a counter, and merges and pushes that come out as a test says.

import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';
import {
  type OpenPullRequestResult,
  type PrepareCandidateInput,
  type ProposalActivities,
  proposalTaskQueue,
  type PushCandidateInput,
  type PushResult,
  type SeenPullRequest,
} from '@worktrail/contract/proposal-activities';

export interface GitScript {
  merges: 'clean' | 'conflicted' | 'fail';
  /** `lost`: it takes the push, and its answer never comes. `unfenced`: it takes no fence. */
  pushes: 'taken' | 'refused' | 'unreachable' | 'lost' | 'lost before' | 'unfenced';
  /** Of the host of pull requests: `away` is any call of it. */
  opens: 'taken' | 'refused' | 'away' | 'lost' | 'lost before';
}

export interface ScriptedGit {
  readonly script: GitScript;
  readonly prepared: PrepareCandidateInput[];
  readonly pushed: PushCandidateInput[];
  /** What every target branch is now. */
  target: string;
  /** Trees that have landed, in order. */
  readonly landed: string[];
  /** What is on the host, by branch. */
  readonly pulls: Map<string, SeenPullRequest>;
  /** Somebody merges or closes there. */
  change(branch: string, to: Partial<SeenPullRequest>): void;
  stop(): Promise<void>;
}

export async function startScriptedGit(connection: NativeConnection): Promise<ScriptedGit> {
  const script: GitScript = { merges: 'clean', pushes: 'taken', opens: 'taken' };
  const pulls = new Map<string, SeenPullRequest>();
  const change = (branch: string, to: Partial<SeenPullRequest>) => {
    pulls.set(branch, { ...pulls.get(branch)!, ...to });
  };
  const git: ScriptedGit = { script, prepared: [], pushed: [], target: 'target-1', landed: [], pulls, change, stop };
  const away = { state: 'unknown' as const, detail: 'the host answers 502', retryAfterMs: null, isFinal: false };
  const activities: ProposalActivities = {
    prepareCandidate: async (input) => {
      git.prepared.push(input);
      if (script.merges === 'fail') throw ApplicationFailure.nonRetryable('away', 'repository_unreachable');
      const { from } = input;
      const headCommit =
        from.kind === 'session' ? `head-of-${input.sessionId}-${from.checkpoint.tree}` : from.candidate.headCommit;
      const { target } = git;
      if (script.merges === 'conflicted')
        return { state: 'conflicted', headCommit, target, paths: ['a'], detail: 'both have changed the same' };
      const tree = `${headCommit}+${target}`;
      const checkpoint = { id: input.checkpointId, number: 1, commit: tree, tree };
      const bundle = { name: `bundle-${git.prepared.length}`, sha256: 'f'.repeat(64), bytes: 10 };
      return { state: 'clean', candidate: { headCommit, target, tree, filesChanged: 1, checkpoint, bundle } };
    },
    pushCandidate: async (input): Promise<PushResult> => {
      git.pushed.push(input);
      const { candidate, settleOnly } = input;
      const { tree } = candidate;
      if (git.landed.includes(tree)) return { state: 'merged', commit: `merge-of-${tree}`, tree };
      if (script.pushes === 'unreachable') return { state: 'unreachable', detail: 'the remote does not answer' };
      if (candidate.target !== git.target) return { state: 'moved', tip: git.target };
      if (script.pushes === 'unfenced' && input.fence) return { state: 'unfenced', detail: 'it takes no such ref' };
      if (settleOnly) return { state: 'not_pushed', detail: '' };
      if (script.pushes === 'refused') return { state: 'refused', detail: 'the branch is protected' };
      const { pushes } = script;
      script.pushes = 'taken';
      if (pushes === 'lost before') throw ApplicationFailure.retryable('the connection was cut');
      git.landed.push(tree);
      git.target = `merge-of-${tree}`;
      if (pushes === 'lost') throw ApplicationFailure.retryable('the connection was cut');
      return { state: 'merged', commit: git.target, tree };
    },
    openPullRequest: async ({ branch, candidate, settleOnly }): Promise<OpenPullRequestResult> => {
      const { opens } = script;
      if (opens === 'away') return { state: 'unknown', detail: away.detail, retryAfterMs: null };
      const found = pulls.get(branch);
      if (found && (settleOnly || found.state !== 'open')) return { state: 'opened', pullRequest: found };
      if (settleOnly) return { state: 'not_pushed', detail: '' };
      if (candidate.target !== git.target) return { state: 'moved', tip: git.target };
      script.opens = 'taken';
      if (opens === 'refused') return { state: 'refused', detail: 'the host answers 403' };
      if (opens === 'lost before') throw ApplicationFailure.retryable('the connection was cut');
      const number = found?.number ?? pulls.size + 1;
      const pullRequest: SeenPullRequest = {
        ...{ host: 'github', url: `https://git.example.org/team/app/pull/${number}`, number, state: 'open' },
        ...{ headCommit: candidate.headCommit, targetBranch: 'main', mergeCommit: null, mergedTree: null, by: null },
      };
      pulls.set(branch, pullRequest);
      if (opens === 'lost') throw ApplicationFailure.retryable('the connection was cut');
      return { state: 'opened', pullRequest };
    },
    readPullRequest: async ({ number }) => {
      if (script.opens === 'away') return away;
      return { state: 'seen', pullRequest: [...pulls.values()].find((one) => one.number === number)! };
    },
    closePullRequest: async ({ branch }) => {
      if (script.opens === 'away') return away;
      if (pulls.get(branch)?.state === 'open') change(branch, { state: 'closed' });
      return { state: 'left', pullRequest: pulls.get(branch) ?? null };
    },
  };
  const worker = await Worker.create({ connection, taskQueue: proposalTaskQueue, activities, shutdownGraceTime: 100 });
  const running = worker.run();
  async function stop(): Promise<void> {
    worker.shutdown();
    await running;
  }
  return git;
}
