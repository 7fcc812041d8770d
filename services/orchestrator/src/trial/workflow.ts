// The trial workflow: it starts one session for each attempt, runs the attempt's plan in it, and records the verdicts.
//
// 1. Handlers change the state and return; the loop below acts on what `nextTrialStep` decides.
// 2. Trial and sessions talk by signals, each of which may come twice.
// 3. Sessions and their commands go on when the trial continues as new or ends.

import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { TrialDocument } from '@worktrail/contract/documents';
import * as messages from '@worktrail/contract/trial-messages';
import { createBackground } from '../background.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import * as attempts from './attempts.ts';
import { isTrialQuiet, nextTrialStep, type TrialStep } from './next-step.ts';
import { describedTrial, newTrialState, type TrialState, trialDocument } from './state.ts';
import * as steps from './steps.ts';

/** How a run continues the one before it. */
export interface ContinuedTrial {
  /** All of the state but the spec, which is the first argument. */
  state?: Omit<TrialState, 'spec'>;
  /** Continue as new once the history has so many events. */
  eventsMax?: number;
}

const eventsMaxDefault = 8_192;

const cancelTrial = defineUpdate<TrialDocument>(messages.cancelTrial);
const describeTrial = defineQuery<TrialDocument>(messages.describeTrial);
const sessionReported = defineSignal<[messages.SessionReported]>(messages.sessionReported);
const commandReported = defineSignal<[messages.CommandReported]>(messages.commandReported);
const turnReported = defineSignal<[messages.TurnReported]>(messages.turnReported);

export async function trial(spec: messages.TrialSpec, continued: ContinuedTrial = {}): Promise<void> {
  await CancellationScope.nonCancellable(() => live(spec, continued));
}

async function live(spec: messages.TrialSpec, continued: ContinuedTrial): Promise<void> {
  const state = continued.state ? { ...continued.state, spec } : newTrialState(spec);
  const run: steps.TrialRun = { state, background: createBackground() };
  answerMessages(state);

  for (;;) {
    await condition(() => nextTrialStep(state, steps.underwayIn(run)) !== null || mayContinueAsNew(run, continued));
    if (mayContinueAsNew(run, continued)) {
      const { spec: _, ...carried } = state;
      await continueAsNew<typeof trial>(spec, { ...continued, state: carried });
    }
    if (takeSteps(run) === 'complete') {
      await condition(allHandlersFinished);
      return;
    }
  }
}

/** Begins everything that is due. */
function takeSteps(run: steps.TrialRun): 'complete' | 'waiting' {
  for (;;) {
    const step = nextTrialStep(run.state, steps.underwayIn(run));
    if (step === null) return 'waiting';
    if (step.do === 'complete') return 'complete';
    take(run, step);
  }
}

function answerMessages(state: TrialState): void {
  setHandler(sessionReported, (report) => attempts.sessionReported(state, report, now()));
  setHandler(commandReported, (report) => attempts.commandReported(state, report, now()));
  setHandler(turnReported, (report) => attempts.turnReported(state, report, now()));
  setHandler(describeTrial, () => describedTrial(state));
  setHandler(cancelTrial, async () => {
    attempts.trialCanceled(state, now());
    await condition(() => state.recordedVersion >= state.version);
    return trialDocument(state);
  });
}

/** Begins a step; what it leads to is applied to the state when it is known. */
function take(run: steps.TrialRun, step: Exclude<TrialStep, { do: 'complete' }>): void {
  const { state } = run;
  switch (step.do) {
    case 'begin':
      return attempts.attemptStarted(state, step.attempt, now());
    case 'startSession':
      return steps.startSession(run, step.attempt);
    case 'choose':
      return attempts.stepChosen(state, step.attempt, newWorkflowId('command'), now());
    case 'send':
      return steps.send(run, step.attempt);
    case 'listen':
      return steps.listen(run, step.attempt);
    case 'stopListening':
      return run.background.abandon(`listen ${step.attempt}`);
    case 'pass':
      return attempts.planDone(state, step.attempt, now());
    case 'stop':
      return steps.stop(run, step.attempt);
    case 'time':
      return steps.time(run, step.atMs);
    case 'conclude':
      return attempts.concluded(state, now());
    case 'record':
      return steps.record(run);
  }
}

function mayContinueAsNew(run: steps.TrialRun, { eventsMax = eventsMaxDefault }: ContinuedTrial): boolean {
  const info = workflowInfo();
  if (run.state.state !== 'running' || (!info.continueAsNewSuggested && info.historyLength < eventsMax)) return false;
  return isTrialQuiet(run.state, steps.underwayIn(run)) && allHandlersFinished();
}
