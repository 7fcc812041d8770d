// The session workflow: the single writer of a live session's state.
//
// 1. Message handlers change the state and return; the loop below acts. A command that may start is scheduled in the same workflow
//    task in which it was accepted.
// 2. What the loop does next is decided by `nextStep`; what comes back is applied by the functions of `commands`, `life` and
//    `record`. Everything that has to survive is in the state.
// 3. Continue-as-new does not wait for commands: the new run schedules the live ones again by the same ids, and the runner attaches
//    to them. Nothing is canceled and no handler is left unfinished.

import { allHandlersFinished, CancellationScope, condition, continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { SessionSpec } from '@worktrail/contract/session-messages';
import { checkpointFailed, checkpointPlanned } from './checkpoints.ts';
import { settle } from './commands.ts';
import { hibernationBegun } from './hibernation.ts';
import { historyState } from './history-bounds.ts';
import { archived, becameReady, created, resumed } from './life.ts';
import { answerMessages, stopTurn } from './messages.ts';
import { isQuiet, nextStep, type Step } from './next-step.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import { createSessionRun, type SessionRun, underwayIn } from './run.ts';
import { newSessionState, type SessionState } from './state.ts';
import { currentTurn, messageTaken, toolBegun, turnBegun, turnStopped, turnTimedOut } from './turns.ts';
import { setAlarm } from './steps/alarm.ts';
import { followCommand } from './steps/follow-command.ts';
import { endLeftAgents } from './steps/left-agents.ts';
import { endLostCommands } from './steps/lost-commands.ts';
import { hibernateSandbox } from './steps/hibernate.ts';
import { makeFileChange } from './steps/change-file.ts';
import { makeCheckpoint } from './steps/checkpoint.ts';
import { revertFiles } from './steps/revert.ts';
import { callModel, concludeTool } from './steps/agent.ts';
import { runAgent } from './steps/sandbox-agent.ts';
import { record, report } from './steps/record-session.ts';
import { openSandbox, placeSession, removeSandbox } from './steps/sandbox.ts';
import { startSetupCommand } from './steps/setup.ts';

/** How a run continues the one before it. */
export interface ContinuedSession {
  /** All of the state but the spec, which is the first argument. */
  state?: Omit<SessionState, 'spec'>;
  /** Continue as new after so many updates; the server's bound is 2,000. */
  updatesMax?: number;
  answerPatienceMs?: number;
}

const updatesMaxDefault = 1_500;
/** Shorter than the asker waits for an update that takes long. */
const answerPatienceMsDefault = 45_000;

export async function session(spec: SessionSpec, continued: ContinuedSession = {}): Promise<void> {
  await CancellationScope.nonCancellable(() => live(spec, continued));
}

async function live(spec: SessionSpec, continued: ContinuedSession): Promise<void> {
  const { answerPatienceMs = answerPatienceMsDefault } = continued;
  const run = createSessionRun({ ...newSessionState(spec), ...continued.state, spec }, answerPatienceMs);
  if (!continued.state) begun(run.state);
  answerMessages(run);

  for (;;) {
    await condition(() => next(run) !== null || mayContinueAsNew(run, continued));
    if (mayContinueAsNew(run, continued)) {
      const { spec: _, ...state } = run.state;
      await continueAsNew<typeof session>(spec, { ...continued, state });
    }
    if (takeSteps(run) === 'complete') {
      await condition(allHandlersFinished);
      return;
    }
  }
}

function begun(state: SessionState): void {
  created(state, now());
  const { firstMessage } = state.spec;
  if (firstMessage) messageTaken(state, firstMessage, now());
}

function next(run: SessionRun): Step | null {
  return nextStep(run.state, underwayIn(run), Date.now());
}

/** Begins everything that is due. */
function takeSteps(run: SessionRun): 'complete' | 'waiting' {
  for (;;) {
    const step = next(run);
    if (step === null) return 'waiting';
    if (step.do === 'complete') return 'complete';
    take(run, step);
  }
}

/** Begins a step; what it leads to is applied to the state when it is known. */
function take(run: SessionRun, step: Exclude<Step, { do: 'complete' }>): void {
  switch (step.do) {
    case 'place':
      return placeSession(run);
    case 'open':
      return openSandbox(run);
    case 'setup':
      return startSetupCommand(run, step.command);
    case 'becomeReady':
      return becameReady(run.state, now());
    case 'follow':
      return followCommand(run, step.commandId);
    case 'endLost':
      return endLostCommands(run);
    case 'endLeft':
      return endLeftAgents(run);
    case 'planCheckpoint':
      return checkpointPlanned(run.state, step.purpose, newWorkflowId('checkpoint'), now());
    case 'checkpoint':
      return makeCheckpoint(run);
    case 'failCheckpoint':
      return checkpointFailed(run.state, step.id, 'the sandbox is not open', now(), true);
    case 'revert':
      return revertFiles(run);
    case 'changeFile':
      return makeFileChange(run);
    case 'beginHibernation':
      return hibernationBegun(run.state, step.reason, now());
    case 'hibernate':
      return hibernateSandbox(run);
    case 'noticeUnsettled':
      run.state.unsettledSince = now();
      return;
    case 'forgetUnsettled':
      run.state.unsettledSince = null;
      return;
    case 'beginTurn':
      return turnBegun(run.state, currentTurn(run.state)!, now());
    case 'callModel':
      return callModel(run, currentTurn(run.state)!);
    case 'runAgent':
      return runAgent(run, currentTurn(run.state)!);
    case 'beginTool':
      return toolBegun(run.state, currentTurn(run.state)!, newWorkflowId('command'), now());
    case 'concludeTool':
      return concludeTool(run, currentTurn(run.state)!);
    case 'stopTurn':
      return stopLimited(run);
    case 'endTurn':
      return turnStopped(run.state, run.state.turns.live[0]!, now());
    case 'settle':
      return settle(run.state, now());
    case 'setAlarm':
      return setAlarm(run, step.atMs);
    case 'record':
      return record(run);
    case 'report':
      return report(run);
    case 'resume':
      return resumed(run.state, step.reason, now());
    case 'remove':
      return removeSandbox(run);
    case 'archive':
      return archived(run.state, now());
  }
}

function mayContinueAsNew(run: SessionRun, { updatesMax = updatesMaxDefault }: ContinuedSession): boolean {
  const info = workflowInfo();
  const { historyLength: events, historySize: bytes, continueAsNewSuggested } = info;
  const history = historyState({ events, bytes, updates: run.updates, continueAsNewSuggested }, updatesMax);
  if (history === 'short' || run.state.phase === 'archived') return false;
  // Where something else happens during the task, the server drops an update that the task has just accepted.
  if (run.updatedAtLength === events) return false;
  const { following, checkpoint, reverting, changing, agent } = underwayIn(run);
  const isFree = following.length === 0 && !checkpoint && !reverting && !changing && !agent;
  const unoccupied = isFree || history === 'overdue';
  return unoccupied && isQuiet(run.state, underwayIn(run)) && allHandlersFinished();
}

function stopLimited(run: SessionRun): void {
  const { spec, limit } = run.state.turns.live[0]!;
  stopTurn(run, spec.id, limit ?? turnTimedOut(run.state, now()));
}
