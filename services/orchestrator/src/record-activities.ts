// The activities that write down what workflows decide: events to the stream, documents to the read model. Each may be repeated, and
// says all the while that it lives (`record-options.ts`).

import type { KV } from '@nats-io/kv';
import type { ApprovalPolicy, SessionDocument } from '@worktrail/contract/documents';
import type { VersionedPolicy } from '@worktrail/contract/proposal-messages';
import { projectKey, proposalKey, sessionKey, trialKey } from '@worktrail/contract/subjects';
import { Context } from '@temporalio/activity';
import { putVersioned, readDocument } from '@worktrail/runtime/buckets';
import { appendDrafts, createProducerMemory } from '@worktrail/runtime/event-producer';
import type { AppendedDrafts } from './agent/appended-drafts.ts';
import { type EndLeftAgentsInput, endToolsOf, type LeftAgentDeps } from './left-agent-tools.ts';
import { endLostCommand, type EndLostCommandsInput, type LostCommandDeps } from './lost-command-ends.ts';
import type { RecordProposalInput } from './proposal/record.ts';
import type { LostCommandEnd } from './session/host-loss.ts';
import type { RecordSessionInput } from './session/record.ts';
import type { PendingEvent } from './session/state.ts';
import type { RecordTrialInput } from './trial/record.ts';

export interface RecordActivities {
  /** Appends the events in order, skipping what is there, then writes the document unless a newer one is there. */
  recordSession(input: RecordSessionInput): Promise<void>;
  /**
   * Appends each verdict to its session's history, where it is not there, then writes the document. A session that an attempt of it has not
   * come to start is shown as archived.
   */
  recordTrial(input: RecordTrialInput): Promise<void>;
  /** Appends the events in order, skipping what is there, then writes the document unless a newer one is there. */
  recordProposal(input: RecordProposalInput): Promise<void>;
  /** As the project has it now; null: there is no such project any more. */
  readApprovalPolicy(of: { organizationId: string; projectId: string }): Promise<VersionedPolicy | null>;
  /** The end of each, once it is stored: the one that its runner has written, else `host_lost`. */
  endLostCommands(input: EndLostCommandsInput): Promise<LostCommandEnd[]>;
  /** Once each use of a tool that they had begun has an end in the history. */
  endLeftAgents(input: EndLeftAgentsInput): Promise<void>;
}

const beatMs = 1_500;
/** About as many as there are sessions at work. */
const rememberedProducersMax = 5_000;

export interface RecordDeps {
  producer: LostCommandDeps & LeftAgentDeps;
  appended: Pick<AppendedDrafts, 'noted'>;
  sessions: KV;
  trials: KV;
  proposals: KV;
  configuration: KV;
}

export function createRecordActivities({
  producer,
  appended,
  sessions,
  trials,
  proposals,
  configuration,
}: RecordDeps): RecordActivities {
  const memory = createProducerMemory(rememberedProducersMax);
  return {
    recordSession: beating(async ({ ref, events, document }) => {
      const { cancellationSignal: signal, info } = Context.current();
      for (const run of byProducer(events)) {
        await appendDrafts(
          producer,
          { ...ref, producer: run.producer, signal },
          run.drafts,
          info.attempt === 1 && !isTakenOver(run.drafts),
          memory,
        );
        appended.noted(ref, { producer: run.producer, number: run.drafts.at(-1)!.number });
      }
      await putVersioned(sessions, sessionKey(document.organizationId, document.id), document);
    }),
    endLostCommands: beating(async (input) => {
      const { cancellationSignal: signal } = Context.current();
      const ends: LostCommandEnd[] = [];
      for (const command of input.commands) ends.push(await endLostCommand(producer, input, command, signal));
      return ends;
    }),
    endLeftAgents: beating(async (input) => {
      const { cancellationSignal: signal } = Context.current();
      for (const left of input.agents) await endToolsOf(producer, input, left, signal);
    }),
    recordProposal: beating(async ({ ref, events, document }) => {
      const { cancellationSignal: signal, info } = Context.current();
      const { id, organizationId } = document;
      if (events.length > 0) await appendDrafts(producer, { ...ref, producer: id, signal }, events, info.attempt === 1);
      await putVersioned(proposals, proposalKey(organizationId, id), document);
    }),
    readApprovalPolicy: beating(async ({ organizationId, projectId }) => {
      const stored = await readDocument<{ approval: ApprovalPolicy; approvalVersion?: number }>(
        configuration,
        projectKey(organizationId, projectId),
      );
      return stored ? { version: stored.value.approvalVersion ?? 1, policy: stored.value.approval } : null;
    }),
    recordTrial: beating(async ({ document, verdicts }) => {
      const { cancellationSignal: signal, info } = Context.current();
      const { organizationId } = document;
      for (const { ref, draft } of verdicts) {
        await appendDrafts(producer, { ...ref, producer: document.id, signal }, [draft], info.attempt === 1);
      }
      await putVersioned(trials, trialKey(organizationId, document.id), document);
      const unstarted = document.sessions.filter(({ state, startedAt }) => state === 'ended' && startedAt === null);
      await Promise.all(unstarted.map(({ sessionId }) => neverMade(sessions, sessionKey(organizationId, sessionId))));
    }),
  };
}

/** It was announced with its trial, and counts as one that is being created for as long as it says so. */
async function neverMade(sessions: KV, key: string): Promise<void> {
  const announced = (await readDocument<SessionDocument>(sessions, key))?.value;
  if (announced?.version !== 0) return;
  const archived: SessionDocument = { ...announced, version: 1, state: 'archived' };
  await putVersioned(sessions, key, archived);
}

export function beating<Input, Output>(work: (input: Input) => Promise<Output>): (input: Input) => Promise<Output> {
  return async (input) => {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(), beatMs);
    try {
      return await work(input);
    } finally {
      clearInterval(timer);
    }
  };
}

/** Another has written as this producer, perhaps, and what it wrote may have left the stream. */
function isTakenOver(drafts: readonly PendingEvent['draft'][]): boolean {
  return drafts[0]?.payload.case === 'gap';
}

/** Neighbours of one producer together; the order of all stays as it is. */
function byProducer(events: readonly PendingEvent[]): { producer: string; drafts: PendingEvent['draft'][] }[] {
  const runs: { producer: string; drafts: PendingEvent['draft'][] }[] = [];
  for (const { producer, draft } of events) {
    const last = runs.at(-1);
    if (last?.producer === producer) last.drafts.push(draft);
    else runs.push({ producer, drafts: [draft] });
  }
  return runs;
}
