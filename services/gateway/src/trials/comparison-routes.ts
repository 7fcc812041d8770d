// The sessions of a task's trials, side by side: how each was judged, and how much it has changed.
//
// A read of documents: what a session has changed was counted when its newest checkpoint was taken. One that is awake and has just worked is
// given that checkpoint first.

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
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { ProposalReader } from '../proposals/proposal-reader.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import type { TaskReader } from '../tasks/task-reader.ts';
import { id } from '../text.ts';
import type { TrialReader } from './trial-reader.ts';

/** The newest ones. */
const trialsMax = 50;
const readAtOnceMax = 32;

const count = z.int().nullable();
const comparisonSchema = z
  .object({
    taskId: id('task'),
    items: z.array(
      z.object({
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
        tokens: count,
        cost: z.number().nullable(),
        proposal: z.object({ id: id('proposal'), state: z.enum(proposalStates) }).nullable(),
      }),
    ),
  })
  .openapi('Comparison');

export interface ComparisonRouteDeps {
  store: ConfigurationStore;
  tasks: TaskReader;
  trials: TrialReader;
  sessions: SessionReader;
  proposals: ProposalReader;
  files: Pick<SessionFiles, 'settled'>;
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
  const changes = await changesOf(deps, organizationId, sessionId);
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
    ...{ tokens: null, cost: null },
    proposal: proposal ? { id: proposal.id, state: proposal.state } : null,
  };
}

async function changesOf(
  { sessions, files }: ComparisonRouteDeps,
  organizationId: string,
  sessionId: string,
): Promise<SessionDocument['changes']> {
  const known = await sessions.find(organizationId, sessionId);
  if (known?.state !== 'ready') return known?.changes ?? null;
  try {
    return (await files.settled(known)).document.changes;
  } catch (error) {
    // What is known is told, as of a session that sleeps.
    if (error instanceof WorktrailError) return known.changes;
    throw error;
  }
}
