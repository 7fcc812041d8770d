// What a proposal does next, decided from its state and from what is under way in this run of the workflow.

import { nextCheck } from './checks.ts';
import { mayPush } from './merging.ts';
import { mayLook, mustLeave } from './pull-requests.ts';
import type { ProposalState } from './state.ts';

export interface ProposalUnderway {
  /** The head and its merge are being made. */
  preparing: boolean;
  /** A session of checks is being started, or told something. */
  talking: boolean;
  /** The end of a check is being waited for. */
  listening: boolean;
  pushing: boolean;
  /** The pull request is being looked at, or the time for it waited for. */
  looking: boolean;
  /** It is being closed. */
  leaving: boolean;
  /** It rests before something is tried again. */
  resting: boolean;
  /** A session is being told that its checks are over. */
  ending: boolean;
  recording: boolean;
}

export type ProposalStep =
  | { do: 'prepare' }
  | { do: 'chooseSession' }
  | { do: 'startSession' }
  | { do: 'chooseCheck' }
  | { do: 'send' }
  /** Wait for the check's end for a time, then send it again. */
  | { do: 'listen' }
  /** Wait no more. */
  | { do: 'stopListening' }
  /** Its checks are over. */
  | { do: 'releaseSession' }
  | { do: 'endSession'; sessionId: string }
  /** Before what has failed is tried again. */
  | { do: 'rest' }
  | { do: 'push' }
  /** Find out what came of a push. */
  | { do: 'settle' }
  /** See what has become of the pull request, some time from now. */
  | { do: 'look' }
  /** Close the pull request, as far as it is open. */
  | { do: 'leave' }
  /** It was rejected, or closed. */
  | { do: 'end' }
  | { do: 'record' }
  | { do: 'complete' };

export function nextProposalStep(state: ProposalState, underway: ProposalUnderway): ProposalStep | null {
  const step = state.final === null ? nextLiveStep(state, underway) : nextLastStep(state, underway);
  if (step) return step;
  const [sessionId] = state.toEnd;
  if (sessionId !== undefined && !underway.ending) return { do: 'endSession', sessionId };
  if (!underway.recording && state.version > state.recordedVersion) return { do: 'record' };
  return isOver(state, underway) ? { do: 'complete' } : null;
}

function nextLiveStep(state: ProposalState, underway: ProposalUnderway): ProposalStep | null {
  if (underway.pushing) return null;
  if (mustLeave(state)) return underway.leaving ? null : { do: 'leave' };
  if (state.ending && !state.pushed) return { do: 'end' };
  if (mayLook(state) && !underway.looking) return { do: 'look' };
  const work = nextWork(state);
  if (work?.do === 'prepare' && underway.preparing) return null;
  if (work && isTired(state)) return underway.resting ? null : { do: 'rest' };
  return work ?? nextCheckStep(state, underway);
}

function nextWork(state: ProposalState): Extract<ProposalStep, { do: 'push' | 'settle' | 'prepare' }> | null {
  if (state.pushed) return { do: 'settle' };
  if (mayPush(state)) return { do: 'push' };
  return !state.candidate && !state.blocked ? { do: 'prepare' } : null;
}

function isTired({ trouble }: ProposalState): boolean {
  return trouble !== null && trouble.times > 0 && !trouble.rested;
}

function nextCheckStep(state: ProposalState, underway: ProposalUnderway): ProposalStep | null {
  const { checkSession } = state;
  const current = checkSession?.current ?? null;
  if (underway.listening && !current?.sent) return { do: 'stopListening' };
  if (underway.talking) return null;
  if (nextCheck(state) === undefined) return checkSession?.started ? { do: 'releaseSession' } : null;
  if (!checkSession) return { do: 'chooseSession' };
  if (!checkSession.started) return { do: 'startSession' };
  if (!current) return { do: 'chooseCheck' };
  if (!current.sent) return { do: 'send' };
  return underway.listening ? null : { do: 'listen' };
}

function nextLastStep(state: ProposalState, underway: ProposalUnderway): ProposalStep | null {
  if (underway.listening) return { do: 'stopListening' };
  return mustLeave(state) && !underway.leaving ? { do: 'leave' } : null;
}

function isOver(state: ProposalState, underway: ProposalUnderway): boolean {
  const { recording, talking, ending, pushing, leaving } = underway;
  if (recording || talking || ending || pushing || leaving) return false;
  return state.final !== null && state.toEnd.length === 0 && !mustLeave(state);
}

/** Nothing is half done that a new run would have to know of. */
export function isProposalQuiet(state: ProposalState, underway: ProposalUnderway): boolean {
  const { preparing, talking, pushing, leaving, ending, recording } = underway;
  const isIdle = !preparing && !talking && !pushing && !leaving && !ending && !recording;
  return isIdle && state.version === state.recordedVersion;
}
