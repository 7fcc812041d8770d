// The agent's tools that search its repository's index, at the commit that the session started from.
//
// 1. What is searched are the mirror's objects, outside of any sandbox: what the session has changed since is not in it, and the agent is told so.
// 2. Each use leaves what was shown in the history, by repository, commit, path, lines and blob, before the end that the model is told.

import type { ContextToolUse } from '@worktrail/contract/agent-tools';
import { type ContextAnswer, type ContextHit, type ContextKind, contextReferenced } from '@worktrail/contract/context';
import { WorktrailError } from '@worktrail/contract/errors';
import type { UseContextInput } from '@worktrail/contract/sandbox-activities';
import {
  createProducer,
  type EventPayloadInit,
  type ProducerDeps,
  recoverBegunProducer,
} from '@worktrail/runtime/event-producer';
import type { RepositoryContext } from '../context/repository-context.ts';
import { SessionFailure } from '../sessions/session-failure.ts';

export interface ContextTools {
  use(input: UseContextInput, signal: AbortSignal): Promise<void>;
}

export interface ContextToolDeps {
  context: Pick<RepositoryContext, 'search'>;
  events: ProducerDeps;
  clock: () => number;
}

const shownBytesMax = 32 * 1024;

export function createContextTools({ context, events, clock }: ContextToolDeps): ContextTools {
  return {
    use: async (input, signal) => {
      const { turnId, toolCallId, agent, use } = input;
      const where = { ...input, producer: toolCallId, signal };
      // `tool.started` is the session's to write, perhaps just now.
      const stored = await recoverBegunProducer(events, where);
      // Another attempt has told it all: only its answer was lost.
      if (stored.ended) return;
      const told = await search(context, input, use, signal);
      const producer = createProducer(events, where, stored);
      // All of it, whatever an attempt before has left: the index may have grown, and what counts is what is shown now.
      for (const payload of told) {
        await producer.append({ time: new Date(clock()), actor: { kind: 'agent', id: agent }, turnId, payload });
      }
    },
  };
}

async function search(
  context: ContextToolDeps['context'],
  { organizationId, projectId, repository, commit, toolCallId }: UseContextInput,
  use: ContextToolUse,
  signal: AbortSignal,
): Promise<EventPayloadInit[]> {
  const { query, path, limit } = use;
  const asked = { organizationId, projectId, repository, ref: commit, query, path, limit };
  const more = use.tool === 'search_symbols' ? symbols : { kinds: all, language: use.language };
  try {
    const answer = await context.search({ ...asked, ...more }, signal);
    const hits = fitting(answer.hits);
    const shown = contextReferenced(query, { ...answer, hits });
    return [{ ...shown, value: { ...shown.value, toolCallId } }, end(toolCallId, outputOf(answer, hits), false)];
  } catch (error) {
    const isTold =
      error instanceof SessionFailure || (error instanceof WorktrailError && error.code === 'rate_limited');
    if (!isTold) throw error;
    return [end(toolCallId, { error: error.message }, true)];
  }
}

const all: ContextKind[] = ['symbol', 'text', 'file'];
const symbols = { kinds: ['symbol'] as ContextKind[], language: null };

function end(toolCallId: string, output: object, failed: boolean): EventPayloadInit {
  return { case: 'toolEnded', value: { toolCallId, failed, outputJson: JSON.stringify(output) } };
}

function outputOf({ commit, index }: ContextAnswer, hits: readonly ContextHit[]): object {
  return {
    commit,
    note: 'As of that commit: what was changed since is not in it.',
    hits: hits.map(({ kind, path, firstLine, lastLine, snippet, symbol }) => ({
      ...{ kind, path, lines: firstLine === 0 ? undefined : `${firstLine}-${lastLine}` },
      ...(symbol && { symbol: { ...symbol, parent: symbol.parent ?? undefined } }),
      ...(snippet !== '' && { snippet }),
    })),
    ...(!index.complete && { incomplete: `${index.indexed} of ${index.files} files are indexed so far` }),
  };
}

/** The best, as many as are shown together. */
function fitting(hits: readonly ContextHit[]): ContextHit[] {
  let bytes = 0;
  return hits.filter((hit) => (bytes += Buffer.byteLength(JSON.stringify(hit))) <= shownBytesMax);
}
