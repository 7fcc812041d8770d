// The sessions of a task's trials, side by side: how each was judged, and how much it has changed.
//
// A read of documents: what a session has changed was counted when its newest checkpoint was taken. One that is awake and has just worked is
// given that checkpoint first. What its turns have used is in the history.

import { z } from '@hono/zod-openapi';
import {
  proposalStates,
  type SessionDocument,
  type TrialDocument,
  type TrialSessionDocument,
} from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { proposalList, trialList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { SessionFiles } from '../files/session-files.ts';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { ProposalReader } from '../proposals/proposal-reader.ts';
import { scopeOf, type SessionReader } from '../sessions/session-reader.ts';
import type { TaskReader } from '../tasks/task-reader.ts';
import { id } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import type { TrialReader } from './trial-reader.ts';

/** The newest ones. */
const trialsMax = 50;
const readAtOnceMax = 32;

const count = z.int().nullable();
const comparedSchema = z
  .object({
    sessionId: id('session'),
    trialId: id('trial'),
    title: z.string(),
    verdict: z.enum(['passed', 'failed']).nullable(),
    reason: z.string().nullable(),
    commits: count,
    filesChanged: count,
    additions: count.openapi({ description: 'Lines.' }),
    deletions: count.openapi({ description: 'Lines.' }),
    commands: z.int().openapi({ description: 'That the trial has run in it.' }),
    durationSeconds: z.number().nullable().openapi({ description: 'From the start to the end of the attempt.' }),
    turns: count.openapi({ description: 'Of its agent.' }),
    tokens: count.openapi({ description: 'Of all turns that have ended, in and out.' }),
    cost: z.number().nullable().openapi({ description: 'Of the same, in US dollars.' }),
    proposal: z.object({ id: id('proposal'), state: z.enum(proposalStates) }).nullable(),
  })
  .openapi('ComparedSession');

const comparisonSchema = z.object({ taskId: id('task'), items: z.array(comparedSchema) }).openapi('Comparison');

export interface ComparisonRouteDeps {
  store: ConfigurationStore;
  tasks: TaskReader;
  trials: TrialReader;
  sessions: SessionReader;
  proposals: ProposalReader;
  files: Pick<SessionFiles, 'settled'>;
  trace: Pick<TraceClient, 'sumTurns'>;
}

export function addComparisonRoutes(api: Api, deps: ComparisonRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/tasks/{taskId}/comparison',
      tag: 'Tasks and trials',
      summary: 'Every session of the newest trials of a task, side by side',
      action: 'trial.read',
      params: z.object({ taskId: id('task') }),
      answers: { 200: { description: 'Newest trial first', schema: comparisonSchema } },
    },
    async ({ principal, params: { taskId } }) => {
      await deps.tasks.open(principal, taskId, 'trial.read');
      const trialIds = (await deps.store.names(trialList(taskId))).toSorted().toReversed().slice(0, trialsMax);
      const found = await Promise.all(trialIds.map((trialId) => deps.trials.find(principal.organizationId, trialId)));
      const trials = await Promise.all(found.flatMap((trial) => (trial ? [deps.trials.newest(trial)] : [])));
      const attempts = trials.flatMap((trial) => trial.sessions.map((attempt) => ({ trial, attempt })));
      const items: object[] = [];
      for (let from = 0; from < attempts.length; from += readAtOnceMax) {
        const some = attempts.slice(from, from + readAtOnceMax);
        items.push(...(await Promise.all(some.map(({ trial, attempt }) => compared(deps, trial, attempt)))));
      }
      return json(200, { taskId, items });
    },
  );
}

async function compared(
  deps: ComparisonRouteDeps,
  { id: trialId, organizationId }: TrialDocument,
  { sessionId, title, verdict, reason, commandIds, startedAt, endedAt }: TrialSessionDocument,
) {
  const { store, proposals } = deps;
  const known = await deps.sessions.find(organizationId, sessionId);
  const [changes, used] = await Promise.all([changesOf(deps, known), usedBy(deps, known)]);
  const proposalId = (await store.names(proposalList(sessionId))).toSorted().at(-1);
  const proposal = proposalId === undefined ? undefined : await proposals.find(organizationId, proposalId);
  return {
    ...{ sessionId, trialId, title, verdict, reason },
    commits: changes?.commits ?? null,
    filesChanged: changes?.filesChanged ?? null,
    additions: changes?.additions ?? null,
    deletions: changes?.deletions ?? null,
    commands: commandIds.length,
    durationSeconds: startedAt && endedAt ? (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000 : null,
    ...used,
    proposal: proposal ? { id: proposal.id, state: proposal.state } : null,
  };
}

/** null: it was asked for nothing, or there is no session yet. */
async function usedBy({ trace }: Pick<ComparisonRouteDeps, 'trace'>, known: SessionDocument | undefined) {
  if (!known) return { turns: null, tokens: null, cost: null };
  const { turns, usage } = await askTraceStore(() => trace.sumTurns({ scope: scopeOf(known) }));
  if (turns === 0) return { turns, tokens: null, cost: null };
  return { turns, tokens: Number(usage!.inputTokens + usage!.outputTokens), cost: usage!.costUsd };
}

async function changesOf(
  { files }: Pick<ComparisonRouteDeps, 'files'>,
  known: SessionDocument | undefined,
): Promise<SessionDocument['changes']> {
  if (known?.state !== 'ready') return known?.changes ?? null;
  try {
    return (await files.settled(known)).document.changes;
  } catch (error) {
    // What is known is told, as of a session that sleeps.
    if (error instanceof WorktrailError) return known.changes;
    throw error;
  }
}
