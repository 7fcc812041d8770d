// What a proposal answers. Handlers change the state and return; they refuse with error codes of the contract.

import { ApplicationFailure } from '@temporalio/common';
import { condition, defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import type { ProposalDocument } from '@worktrail/contract/documents';
import * as messages from '@worktrail/contract/proposal-messages';
import {
  type CommandReported,
  commandReported,
  type SessionReported,
  sessionReported,
} from '@worktrail/contract/trial-messages';
import { now } from '../workflow-clock.ts';
import { policyChanged, proposedAgain } from './candidates.ts';
import { checkReported, checkSessionGone } from './checks.ts';
import * as decisions from './decisions.ts';
import { isPutUp, type ProposalState, proposalDocument } from './state.ts';
import { lookAtOnce, type ProposalRun } from './steps.ts';

/** Shorter than a caller waits for the answer. */
const headPatience = '20 seconds';
const mergePatience = '10 seconds';
const endPatience = '10 seconds';

type Decide = [messages.ProposalDecision];
const awaitHead = defineUpdate<ProposalDocument>(messages.awaitHead);
const proposeAgain = defineUpdate<ProposalDocument, [messages.ProposeAgain]>(messages.proposeAgain);
const approve = defineUpdate<ProposalDocument, Decide>(messages.approveProposal);
const reject = defineUpdate<ProposalDocument, Decide>(messages.rejectProposal);
const merge = defineUpdate<ProposalDocument, Decide>(messages.mergeProposal);
const close = defineUpdate<ProposalDocument, Decide>(messages.closeProposal);
const changePolicy = defineUpdate<ProposalDocument, [messages.VersionedPolicy]>(messages.changePolicy);
const describe = defineQuery<ProposalDocument>(messages.describeProposal);
const reported = defineSignal<[CommandReported]>(commandReported);
const sessionTold = defineSignal<[SessionReported]>(sessionReported);

export function answerMessages(run: ProposalRun): void {
  const { state } = run;
  setHandler(describe, () => proposalDocument(state));
  setHandler(reported, (report) => checkReported(state, report, now()));
  setHandler(sessionTold, ({ sessionId, state: is, failure }) => {
    // It takes no check any more.
    if (is !== 'ready') checkSessionGone(state, sessionId, failure?.detail ?? `the session is ${is}`, now());
  });
  setHandler(awaitHead, () => untilHead(state));
  setHandler(
    proposeAgain,
    async (request) => {
      proposedAgain(state, request, now());
      run.background.abandon('prepare');
      run.background.abandon('rest');
      return await untilHead(state);
    },
    {
      validator: (request) => {
        if (state.final || state.ending) throw refuse({ code: 'conflict', detail: 'the proposal is closed' });
        if (state.requests.includes(request.requestId)) return;
        if (state.pushed) throw refuse({ code: 'conflict', detail: 'the proposal is being merged' });
      },
    },
  );
  setHandler(approve, async (decision) => {
    policyChanged(state, decision.policy, now());
    orRefuse(decisions.refuseApproval(state, decision));
    decisions.approved(state, decision, now());
    return await recorded(state);
  });
  setHandler(merge, async (decision) => {
    if (state.final === 'merged') return await recorded(state);
    policyChanged(state, decision.policy, now());
    orRefuse(decisions.refuseMerge(state, decision));
    decisions.mergeAsked(state, decision, now());
    run.background.abandon('rest');
    if (isPutUp(state)) lookAtOnce(run);
    await condition(() => state.final !== null || !isMerging(state), mergePatience);
    if (state.refusal !== null && !state.final) throw refuse({ code: 'conflict', detail: state.refusal });
    return await recorded(state);
  });
  setHandler(reject, (decision) => end(state, 'rejected', decision));
  setHandler(close, (decision) => end(state, 'closed', decision));
  setHandler(changePolicy, async (policy) => {
    policyChanged(state, policy, now());
    return await recorded(state);
  });
}

function isMerging(state: ProposalState): boolean {
  return state.merge !== null && state.candidate !== null && !isPutUp(state);
}

async function end(
  state: ProposalState,
  as: 'rejected' | 'closed',
  decision: messages.ProposalDecision,
): Promise<ProposalDocument> {
  if (state.final !== as) {
    if (state.ending?.as !== as) orRefuse(decisions.refuseDecision(state, decision));
    decisions.endingAsked(state, as, decision, now());
    // A push may be under way: what it comes to counts.
    await condition(() => state.final !== null, endPatience);
    if (state.final !== null && state.final !== as)
      throw refuse({ code: 'conflict', detail: `the proposal is ${state.final}` });
  }
  return await recorded(state);
}

async function untilHead(state: ProposalState): Promise<ProposalDocument> {
  await condition(() => state.planned === null || state.final !== null, headPatience);
  return await recorded(state);
}

/** Once the read model shows as much. */
async function recorded(state: ProposalState): Promise<ProposalDocument> {
  const { version } = state;
  await condition(() => state.recordedVersion >= version);
  return proposalDocument(state);
}

function orRefuse(refusal: decisions.Refusal | null): void {
  if (refusal) throw refuse(refusal);
}

function refuse({ code, detail }: decisions.Refusal): ApplicationFailure {
  return ApplicationFailure.nonRetryable(detail, code);
}
