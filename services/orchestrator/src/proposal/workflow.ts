// The proposal workflow: it makes the candidate of a session's change, has it checked, counts approvals, and has it merged when asked.
//
// 1. Handlers change the state and return; the loop below acts on what `nextProposalStep` decides.
// 2. Proposal and sessions talk by signals, each of which may come twice.
// 3. Only the step `push` brings anything to the target branch, and only `mayPush` lets it.

import { allHandlersFinished, CancellationScope, condition, continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { ProposalSpec } from '@worktrail/contract/proposal-messages';
import { createBackground } from '../background.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import * as checks from './checks.ts';
import { ended } from './merging.ts';
import { answerMessages } from './messages.ts';
import { isProposalQuiet, nextProposalStep, type ProposalStep } from './next-step.ts';
import { newProposalState, type ProposalState } from './state.ts';
import * as steps from './steps.ts';

/** How a run continues the one before it. */
export interface ContinuedProposal {
  /** All of the state but the spec, which is the first argument. */
  state?: Omit<ProposalState, 'spec'>;
  /** Continue as new once the history has so many events. */
  eventsMax?: number;
}

const eventsMaxDefault = 4_096;

export async function proposal(spec: ProposalSpec, continued: ContinuedProposal = {}): Promise<void> {
  await CancellationScope.nonCancellable(() => live(spec, continued));
}

async function live(spec: ProposalSpec, continued: ContinuedProposal): Promise<void> {
  const state = continued.state ? { ...continued.state, spec } : newProposalState(spec);
  const run: steps.ProposalRun = { state, background: createBackground() };
  answerMessages(run);

  for (;;) {
    await condition(() => nextProposalStep(state, steps.underwayIn(run)) !== null || mayContinueAsNew(run, continued));
    if (mayContinueAsNew(run, continued)) {
      const { spec: _, ...carried } = state;
      await continueAsNew<typeof proposal>(spec, { ...continued, state: carried });
    }
    if (takeSteps(run) === 'complete') {
      run.background.abandon('prepare');
      run.background.abandon('rest');
      run.background.abandon('look');
      await condition(allHandlersFinished);
      return;
    }
  }
}

/** Begins everything that is due. */
function takeSteps(run: steps.ProposalRun): 'complete' | 'waiting' {
  for (;;) {
    const step = nextProposalStep(run.state, steps.underwayIn(run));
    if (step === null) return 'waiting';
    if (step.do === 'complete') return 'complete';
    take(run, step);
  }
}

/** Begins a step; what it leads to is applied to the state when it is known. */
function take(run: steps.ProposalRun, step: Exclude<ProposalStep, { do: 'complete' }>): void {
  const { state } = run;
  switch (step.do) {
    case 'prepare':
      return steps.prepare(run);
    case 'chooseSession':
      return checks.checkSessionChosen(state, newWorkflowId('session'), now());
    case 'startSession':
      return steps.startCheckSession(run);
    case 'chooseCheck':
      return checks.checkChosen(state, newWorkflowId('command'), now());
    case 'send':
      return steps.sendCheck(run);
    case 'listen':
      return steps.listen(run);
    case 'stopListening':
      return run.background.abandon('listen');
    case 'releaseSession':
      return checks.checkSessionDone(state);
    case 'endSession':
      return steps.endSession(run, step.sessionId);
    case 'rest':
      return steps.rest(run);
    case 'push':
      return steps.push(run);
    case 'settle':
      return steps.settle(run);
    case 'look':
      return steps.look(run);
    case 'leave':
      return steps.leave(run);
    case 'end':
      return ended(state, now());
    case 'record':
      return steps.record(run);
  }
}

function mayContinueAsNew(run: steps.ProposalRun, { eventsMax = eventsMaxDefault }: ContinuedProposal): boolean {
  const info = workflowInfo();
  if (run.state.final !== null || (!info.continueAsNewSuggested && info.historyLength < eventsMax)) return false;
  return isProposalQuiet(run.state, steps.underwayIn(run)) && allHandlersFinished();
}
