// The runners' part in proposals, by script: a target branch that is a counter, and merges and pushes that come out as a test says.

import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';
import {
  type PrepareCandidateInput,
  type ProposalActivities,
  proposalTaskQueue,
  type PushCandidateInput,
  type PushResult,
} from '@worktrail/contract/proposal-activities';

export interface GitScript {
  merges: 'clean' | 'conflicted' | 'fail';
  /** `lost`: it takes the push, and its answer never comes. `unfenced`: it takes no fence. */
  pushes: 'taken' | 'refused' | 'unreachable' | 'lost' | 'lost before' | 'unfenced';
}

export interface ScriptedGit {
  readonly script: GitScript;
  readonly prepared: PrepareCandidateInput[];
  readonly pushed: PushCandidateInput[];
  /** What every target branch is now. */
  target: string;
  /** Trees that have landed, in order. */
  readonly landed: string[];
  stop(): Promise<void>;
}

export async function startScriptedGit(connection: NativeConnection): Promise<ScriptedGit> {
  const script: GitScript = { merges: 'clean', pushes: 'taken' };
  const git: ScriptedGit = { script, prepared: [], pushed: [], target: 'target-1', landed: [], stop };
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
  };
  const worker = await Worker.create({ connection, taskQueue: proposalTaskQueue, activities, shutdownGraceTime: 100 });
  const running = worker.run();
  async function stop(): Promise<void> {
    worker.shutdown();
    await running;
  }
  return git;
}
