// What a session's history holds: its events, a command's output, how far a producer has come.

import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { type Cursor, formatCursor } from '@worktrail/contract/cursor';
import { eventCase, type EventType } from '@worktrail/contract/event-types';
import { ancestorsMax } from '@worktrail/contract/forks';
import { limits } from '@worktrail/contract/limits';
import { type ListEventsRequest, type TraceService } from '@worktrail/proto/trace';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readOutput } from '../history/command-output.ts';
import { type FlushBarrier, sessionSubjects } from '../flush-barrier.ts';
import { createBeginnings } from '../history/beginnings.ts';
import { type InheritedEvents, readHistory } from '../history/history.ts';
import { readBehindBacklog } from '../history/page-behind-backlog.ts';
import { pageMessage } from './page-message.ts';
import { readProducerMark } from '../ingest/producer-mark.ts';
import { isExpired, oldestKept } from '../ingest/retained.ts';
import { bounded, checkName, cursorMessage, cursorOf, fromClickHouse, invalid, safeNumber } from './asked.ts';
import type { Scopes } from './scopes.ts';

const pageRowsMax = 1_000;
const pageBytesDefault = 4 * 1024 * 1024;
const pageBytesMax = 16 * 1024 * 1024;

export interface HistoryQuestionsDeps {
  clickhouse: ClickHouseReader;
  barrier: Pick<FlushBarrier, 'approach'>;
  scopes: Scopes;
}

type HistoryQuestions = Pick<ServiceImpl<typeof TraceService>, 'listEvents' | 'readOutput' | 'getProducerMark'>;

export function createHistoryQuestions({ clickhouse, barrier, scopes }: HistoryQuestionsDeps): HistoryQuestions {
  const beginnings = createBeginnings();

  /** @throws OUT_OF_RANGE with the oldest cursor, where what stands behind this one is not kept any more: it goes by whole sessions. */
  async function refuseExpired(
    organizationId: string,
    sessionIds: readonly string[],
    after: Cursor,
    page: { events: readonly unknown[] },
  ): Promise<void> {
    if (page.events.length > 0 && after.sequence > 0 && sessionIds.length === 1) return;
    const oldest = await fromClickHouse(oldestKept(clickhouse, organizationId, sessionIds));
    if (!isExpired(after, oldest)) return;
    const headers = { 'worktrail-oldest-cursor': formatCursor(oldest) };
    throw new ConnectError('after: the events behind this cursor are no longer kept', Code.OutOfRange, headers);
  }

  return {
    listEvents: async (request) => {
      const { scope, ingest } = scopes.session(request.scope);
      const after = cursorOf(request.after);
      const inherited = inheritedOf(request.inherited);
      const read = (stored: Cursor) =>
        fromClickHouse(
          readHistory(
            clickhouse,
            {
              organizationId: scope.organizationId,
              sessionId: scope.sessionId,
              inherited,
              after,
              stored,
              types: request.types.map(knownType),
              rowsMax: bounded(request.limit, limits.pageDefault, pageRowsMax),
              bytesMax: bounded(request.bytesMax, pageBytesDefault, pageBytesMax),
            },
            beginnings,
          ),
        );
      const page = request.noBarrier
        ? await read(ingest.position() ?? after)
        : await readBehindBacklog(await barrier.approach(ingest, sessionSubjects(scope)), read, () =>
            performance.now(),
          );
      await refuseExpired(
        scope.organizationId,
        [scope.sessionId, ...inherited.map((one) => one.sessionId)],
        after,
        page,
      );
      return pageMessage(page);
    },

    readOutput: async (request) => {
      checkName('command_id', request.commandId);
      const { scope } = await scopes.passSession(request.scope);
      const answer = await fromClickHouse(
        readOutput(clickhouse, {
          organizationId: scope.organizationId,
          sessionId: scope.sessionId,
          commandId: request.commandId,
          stream: request.stream,
          offset: safeNumber('offset', request.offset),
          limit: Math.min(request.limit, limits.outputReadBytesMax),
        }),
      );
      return {
        bytes: answer.bytes as Uint8Array<ArrayBuffer>,
        nextOffset: BigInt(answer.nextOffset),
        complete: answer.complete,
        gaps: answer.gaps.map((gap) => ({
          fromOffset: BigInt(gap.fromOffset),
          toOffset: BigInt(gap.toOffset),
          reason: gap.reason,
        })),
      };
    },

    getProducerMark: async (request) => {
      checkName('producer', request.producer);
      const { scope } = await scopes.passSession(request.scope);
      const mark = await fromClickHouse(
        readProducerMark(clickhouse, scope.organizationId, scope.sessionId, request.producer),
      );
      return {
        number: BigInt(mark.number),
        stdoutOffset: BigInt(mark.stdoutOffset),
        stderrOffset: BigInt(mark.stderrOffset),
        position: BigInt(mark.position),
        cursor: cursorMessage(mark.cursor),
        ended: mark.ended,
      };
    },
  };
}

function inheritedOf(inherited: ListEventsRequest['inherited']): InheritedEvents[] {
  if (inherited.length > ancestorsMax) throw invalid(`inherited: more than ${ancestorsMax}`);
  return inherited.map(({ sessionId, upTo }) => {
    checkName('inherited.session_id', sessionId);
    return { sessionId, upTo: cursorOf(upTo) };
  });
}

function knownType(type: string): EventType {
  if (eventCase(type) === undefined) throw invalid(`types: "${type.slice(0, 100)}" is no event type`);
  return type as EventType;
}
