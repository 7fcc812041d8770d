// The questions of trace.proto, answered: check the request, pass the flush barrier, read, put into messages.
//
// 1. Every read is of one organization, and says so in its SQL.
// 2. What depends on ClickHouse or NATS and gets no answer from them is UNAVAILABLE, within seconds.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { type Cursor, toCursor } from '@worktrail/contract/cursor';
import { eventCase, type EventType } from '@worktrail/contract/event-types';
import { ancestorsMax } from '@worktrail/contract/forks';
import { limits } from '@worktrail/contract/limits';
import {
  type ListEventsRequest,
  ListEventsResponseSchema,
  type SessionScope,
  type TraceService,
} from '@worktrail/proto/trace';
import { readOutput } from './command-output.ts';
import { commandRecord, listCommandIds, readCommands } from './commands.ts';
import { createFairShare } from './fair-share.ts';
import { type FlushBarrier, organizationSubjects, sessionSubjects } from './flush-barrier.ts';
import { type InheritedEvents, readHistory } from './history.ts';
import type { Ingest } from './ingest.ts';
import { offsetMax } from './parse-event.ts';
import { readBehindBacklog } from './page-behind-backlog.ts';
import { readProducerMark } from './producer-mark.ts';
import { answerQuery } from './query.ts';
import { listAuditRecords, listSessionIds } from './sessions.ts';
import { readStatus, type StatusDeps } from './status.ts';
import { listTurns, sumTurns } from './turns.ts';

export interface TraceServiceDeps extends StatusDeps {
  barrier: FlushBarrier;
  audit: Ingest;
  querySecondsMax: number;
}

const pageRowsMax = 1_000;
const pageBytesDefault = 4 * 1024 * 1024;
const pageBytesMax = 16 * 1024 * 1024;
const listRowsMax = 1_000;
const readTimeoutMs = 12_000;
const name = /^[A-Za-z0-9_-]{1,128}$/;

/** Running and waiting ones together: others find a place, too. */
const statementsPerOrganizationMax = 4;

export function createTraceService(deps: TraceServiceDeps): ServiceImpl<typeof TraceService> {
  const { clickhouse, barrier } = deps;
  const statements = createFairShare(statementsPerOrganizationMax);

  function scopeOf(scope: SessionScope | undefined): { scope: SessionScope; ingest: Ingest } {
    if (!scope) throw invalid('scope is missing');
    checkName('scope.organization_id', scope.organizationId);
    checkName('scope.session_id', scope.sessionId);
    const ingest = deps.ingests[scope.partition];
    if (!ingest) throw invalid(`there is no partition ${scope.partition}`);
    return { scope, ingest };
  }

  const passSession = async (given: SessionScope | undefined) => {
    const { scope, ingest } = scopeOf(given);
    return { scope, stored: await barrier.pass(ingest, sessionSubjects(scope)) };
  };

  return {
    listEvents: async (request) => {
      const { scope, ingest } = scopeOf(request.scope);
      const after = cursorOf(request.after);
      const inherited = inheritedOf(request.inherited);
      const read = (stored: Cursor) =>
        fromClickHouse(
          readHistory(clickhouse, {
            organizationId: scope.organizationId,
            sessionId: scope.sessionId,
            inherited,
            after,
            stored,
            types: request.types.map(knownType),
            rowsMax: bounded(request.limit, limits.pageDefault, pageRowsMax),
            bytesMax: bounded(request.bytesMax, pageBytesDefault, pageBytesMax),
          }),
        );
      const page = request.noBarrier
        ? await read(ingest.position() ?? after)
        : await readBehindBacklog(await barrier.approach(ingest, sessionSubjects(scope)), read, () =>
            performance.now(),
          );
      const events = page.events.map(({ cursor, event }) => ({ cursor: cursorMessage(cursor), event }));
      return create(ListEventsResponseSchema, { events, next: cursorMessage(page.next), complete: page.complete });
    },

    readOutput: async (request) => {
      checkName('command_id', request.commandId);
      const { scope } = await passSession(request.scope);
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

    getCommand: async (request) => {
      checkName('command_id', request.commandId);
      const { scope } = await passSession(request.scope);
      const [command] = await fromClickHouse(
        readCommands(clickhouse, scope.organizationId, scope.sessionId, [request.commandId]),
      );
      return { command: command && commandRecord(command, scope.sessionId) };
    },

    listCommands: async (request) => {
      const { scope } = await passSession(request.scope);
      const limit = bounded(request.limit, limits.pageDefault, listRowsMax);
      const { organizationId, sessionId } = scope;
      const read = async () => {
        const ids = await listCommandIds(clickhouse, organizationId, sessionId, request.afterCommandId, limit + 1);
        return { ids, commands: await readCommands(clickhouse, organizationId, sessionId, ids.slice(0, limit)) };
      };
      const { ids, commands } = await fromClickHouse(read());
      return { commands: commands.map((command) => commandRecord(command, sessionId)), more: ids.length > limit };
    },

    listTurns: async (request) => {
      const { scope } = await passSession(request.scope);
      const limit = bounded(request.limit, limits.pageDefault, listRowsMax);
      const { organizationId, sessionId } = scope;
      const { afterTurnId, turnId } = request;
      const turns = await fromClickHouse(
        listTurns(clickhouse, { organizationId, sessionId, afterTurnId, turnId, limit: limit + 1 }),
      );
      return { turns: turns.slice(0, limit), more: turns.length > limit };
    },

    sumTurns: async (request) => {
      const { scope } = await passSession(request.scope);
      return await fromClickHouse(sumTurns(clickhouse, scope));
    },

    listSessions: async (request) => {
      checkName('organization_id', request.organizationId);
      await Promise.all(
        deps.ingests.map((ingest, partition) =>
          barrier.pass(ingest, organizationSubjects(partition, request.organizationId)),
        ),
      );
      const limit = bounded(request.limit, limits.pageDefault, listRowsMax);
      const ids = await fromClickHouse(listSessionIds(clickhouse, request, limit + 1));
      return { sessionIds: ids.slice(0, limit), more: ids.length > limit };
    },

    getProducerMark: async (request) => {
      checkName('producer', request.producer);
      const { scope } = await passSession(request.scope);
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

    listAudit: async (request) => {
      checkName('organization_id', request.organizationId);
      await barrier.pass(deps.audit, `worktrail.audit.${request.organizationId}`);
      const limit = bounded(request.limit, limits.pageDefault, listRowsMax);
      const records = await fromClickHouse(
        listAuditRecords(clickhouse, request.organizationId, request.beforeId, limit + 1),
      );
      return { records: records.slice(0, limit), more: records.length > limit };
    },

    query: async (request) => {
      checkName('organization_id', request.organizationId);
      await Promise.all(
        deps.ingests.map((ingest, partition) =>
          barrier.pass(ingest, organizationSubjects(partition, request.organizationId)),
        ),
      );
      const { organizationId, sql } = request;
      const question = { organizationId, sql, secondsMax: deps.querySecondsMax };
      return await statements.use(organizationId, () => answerQuery(clickhouse, question));
    },

    getStatus: () => fromClickHouse(readStatus(deps)),
  };
}

function cursorMessage({ epoch, sequence, fill }: Cursor): { epoch: bigint; sequence: bigint; fill: bigint } {
  return { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill ?? 0) };
}

function cursorOf(message: { epoch: bigint; sequence: bigint; fill: bigint } | undefined): Cursor {
  const { epoch = 0n, sequence = 0n, fill = 0n } = message ?? {};
  return toCursor(Number(epoch), Number(sequence), Number(fill));
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

function bounded(given: number, byDefault: number, max: number): number {
  return given === 0 ? byDefault : Math.min(given, max);
}

function safeNumber(field: string, value: bigint): number {
  if (value > offsetMax) throw invalid(`${field} is out of range`);
  return Number(value);
}

function checkName(field: string, value: string): void {
  if (!name.test(value)) throw invalid(`${field} is missing or malformed`);
}

function invalid(detail: string): ConnectError {
  return new ConnectError(detail, Code.InvalidArgument);
}

/** Bounds the wait; what ClickHouse refuses or does not answer is UNAVAILABLE to the caller. */
async function fromClickHouse<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${readTimeoutMs} ms`)), readTimeoutMs);
  });
  try {
    return await Promise.race([reading, timeout]);
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    throw new ConnectError(`ClickHouse: ${(error as Error).message}`, Code.Unavailable, undefined, undefined, error);
  } finally {
    clearTimeout(timer);
  }
}
