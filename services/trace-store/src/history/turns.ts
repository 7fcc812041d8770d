// Turns of a session as their events tell.

import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type SumTurnsResponse,
  SumTurnsResponseSchema,
  type TurnRecord,
  TurnRecordSchema,
} from '@worktrail/proto/trace';
import type { TurnUsage } from '@worktrail/contract/turns';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { inKeyOrder, sql } from '../clickhouse/sql-text.ts';

interface Row {
  id: string;
  text: string | null;
  agent: string | null;
  queuedMs: string | number | null;
  startedMs: string | number | null;
  endedMs: string | number | null;
  outcome: string | null;
  reason: string | null;
  steps: number | null;
  inputTokens: string | number | null;
  outputTokens: string | number | null;
  cachedInputTokens: string | number | null;
  costUsd: number | null;
}

export interface TurnQuery {
  organizationId: string;
  sessionId: string;
  /** '' : from the first. */
  afterTurnId: string;
  /** '' : all. */
  turnId: string;
  limit: number;
}

/** In the order in which their messages came (ids are sortable by creation). */
export async function listTurns(clickhouse: ClickHouseReader, query: TurnQuery): Promise<TurnRecord[]> {
  const { organizationId, sessionId, afterTurnId, turnId, limit } = query;
  const ofTurn = turnId === '' ? sql`` : sql` AND turn_id = ${turnId}`;
  const rows = await clickhouse.rows<Row>(
    sql`SELECT turn_id AS id, max(t.text) AS text, max(t.agent) AS agent,
          toUnixTimestamp64Milli(max(t.queued_at)) AS queuedMs, toUnixTimestamp64Milli(max(t.started_at)) AS startedMs,
          toUnixTimestamp64Milli(max(t.ended_at)) AS endedMs, max(t.outcome) AS outcome, max(t.reason) AS reason,
          max(t.steps) AS steps, max(t.input_tokens) AS inputTokens, max(t.output_tokens) AS outputTokens,
          max(t.cached_input_tokens) AS cachedInputTokens, max(t.cost_usd) AS costUsd
        FROM turns_v1 AS t
        WHERE organization_id = ${organizationId} AND session_id = ${sessionId} AND turn_id > ${afterTurnId}${ofTurn}
        GROUP BY turn_id ORDER BY turn_id LIMIT ${limit} ${inKeyOrder}`.text,
  );
  return rows.map((row) => turnRecord(row, query.sessionId));
}

export async function sumTurns(
  clickhouse: ClickHouseReader,
  { organizationId, sessionId }: Pick<TurnQuery, 'organizationId' | 'sessionId'>,
): Promise<Pick<SumTurnsResponse, 'turns' | 'usage'>> {
  const [row] = await clickhouse.rows<Record<'turns' | keyof TurnUsage, string | number | null>>(
    sql`SELECT count() AS turns, sum(t.stepCount) AS steps, sum(t.input) AS inputTokens, sum(t.output) AS outputTokens,
          sum(t.cached) AS cachedInputTokens, sum(t.cost) AS costUsd
        FROM (SELECT max(steps) AS stepCount, max(input_tokens) AS input, max(output_tokens) AS output,
                max(cached_input_tokens) AS cached, max(cost_usd) AS cost
              FROM turns_v1 WHERE organization_id = ${organizationId} AND session_id = ${sessionId} GROUP BY turn_id) AS t
        SETTINGS max_execution_time = 10`.text,
  );
  return create(SumTurnsResponseSchema, {
    turns: Number(row?.turns ?? 0),
    usage: {
      steps: Number(row?.steps ?? 0),
      inputTokens: Number(row?.inputTokens ?? 0),
      outputTokens: Number(row?.outputTokens ?? 0),
      cachedInputTokens: Number(row?.cachedInputTokens ?? 0),
      costUsd: Number(row?.costUsd ?? 0),
    },
  });
}

function turnRecord(row: Row, sessionId: string): TurnRecord {
  return create(TurnRecordSchema, {
    turnId: row.id,
    sessionId,
    text: row.text ?? '',
    agent: row.agent ?? '',
    ...timeOf('queuedAt', row.queuedMs),
    ...timeOf('startedAt', row.startedMs),
    ...timeOf('endedAt', row.endedMs),
    ...(row.outcome !== null && {
      ended: {
        outcome: row.outcome,
        reason: row.reason ?? '',
        usage: {
          steps: row.steps ?? 0,
          inputTokens: Number(row.inputTokens),
          outputTokens: Number(row.outputTokens),
          cachedInputTokens: Number(row.cachedInputTokens),
          costUsd: row.costUsd ?? 0,
        },
      },
    }),
  });
}

function timeOf(name: 'queuedAt' | 'startedAt' | 'endedAt', ms: string | number | null) {
  return ms === null ? {} : { [name]: timestampFromMs(Number(ms)) };
}
