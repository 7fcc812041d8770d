// Questions over everything that an organization has stored. Each takes of ClickHouse what it needs, so one of an organization runs after the other.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { searchedTypes, type SearchedType, searchHitsDefault, searchHitsMax } from '@worktrail/contract/search';
import type { SearchHitSchema, TraceService } from '@worktrail/proto/trace';
import type { ClickHouse } from '../clickhouse/store.ts';
import { exportPart } from '../export/export-part.ts';
import { clientQuestion } from '../endpoint/client-question.ts';
import { answerQuery } from '../query/query.ts';
import { streamQuery } from '../query/stream.ts';
import { answerReport, findReport } from '../reports/answer-report.ts';
import { isInterval } from '../reports/intervals.ts';
import { type Hit, search } from '../search/search.ts';
import { bounded, checkName, cursorMessage, invalid, storableDate } from './asked.ts';
import type { Scopes } from './scopes.ts';

const reportRowsMax = 1_000;
const labelLengthMax = 1_000;

export interface OrganizationQuestionsDeps {
  clickhouse: ClickHouse;
  scopes: Scopes;
  querySecondsMax: number;
}

type OrganizationQuestions = Pick<
  ServiceImpl<typeof TraceService>,
  'query' | 'queryStream' | 'report' | 'search' | 'exportPart'
>;

export function createOrganizationQuestions(deps: OrganizationQuestionsDeps): OrganizationQuestions {
  const { scopes } = deps;
  /** For one organization's statements, which run one after the other, and end with who waits for them. */
  const askedBy = (asker: string, gone: AbortSignal): Pick<ClickHouse, 'confined'> => ({
    confined: (bounds, work, signal = gone) => deps.clickhouse.confined({ ...bounds, asker }, work, signal),
  });
  /** Who asks may give it less time. */
  const secondsMax = ({ max_execution_time: given = '' }: Record<string, string>) =>
    Math.min(deps.querySecondsMax, Number(given) >= 1 ? Math.floor(Number(given)) : deps.querySecondsMax);
  return {
    query: async ({ organizationId, sql, parameters }, { signal }) => {
      await scopes.passOrganization(organizationId);
      const question = { organizationId, sql, parameters, secondsMax: deps.querySecondsMax };
      return await answerQuery(askedBy(organizationId, signal), question, signal);
    },

    queryStream: async function* (request, { signal }) {
      await scopes.passOrganization(request.organizationId);
      const { organizationId, sql, format, parameters } = request;
      const ask = request.client ? { ask: clientQuestion(request) } : {};
      const question = { organizationId, sql, format, parameters, secondsMax: secondsMax(request.settings), ...ask };
      yield* streamQuery(askedBy(organizationId, signal), question, signal);
    },

    report: async (
      { name, organizationId, projectId, groupBy, interval: asked, limit, label, from, to },
      { signal },
    ) => {
      const interval = asked || 'none';
      if (!isInterval(interval)) throw invalid('interval: is one of none, hour, day, week, month');
      const report = findReport(name, groupBy, interval);
      if (projectId !== '') checkName('project_id', projectId);
      if (label) checkText('label', label.name, label.value ?? '');
      const question = { organizationId, projectId, groupBy, interval, label, ...timesOf(from, to) };
      await scopes.passOrganization(organizationId);
      const rowsMax = bounded(limit, reportRowsMax);
      return await answerReport(askedBy(organizationId, signal), report, question, rowsMax);
    },

    exportPart: async ({ organizationId, projectId, of, from, to, after }, { signal }) => {
      checkName('project_id', projectId);
      const question = { organizationId, projectId, of, after, ...timesOf(from, to) };
      await scopes.passOrganization(organizationId);
      const part = await exportPart(askedBy(organizationId, signal), question);
      return { ...part, rows: BigInt(part.rows) };
    },

    search: async (request, { signal }) => {
      const { organizationId, q, projectId, sessionId, taskId, cursor } = request;
      for (const [field, id] of Object.entries({ project_id: projectId, session_id: sessionId, task_id: taskId })) {
        if (id !== '') checkName(field, id);
      }
      const types = request.types.length > 0 ? request.types.map(searchedType) : searchedTypes;
      const limit = bounded(request.limit, searchHitsDefault, searchHitsMax);
      const filters = { projectId, sessionId, taskId, types, ...timesOf(request.from, request.to) };
      const question = { organizationId, q, limit, cursor, ...filters };
      await scopes.passOrganization(organizationId);
      const { hits, next } = await search(askedBy(organizationId, signal), question, new Date());
      return { hits: hits.map(hitMessage), next };
    },
  };
}

function timesOf(from: Timestamp | undefined, to: Timestamp | undefined) {
  return {
    from: from && storableDate('from', timestampDate(from)),
    to: to && storableDate('to', timestampDate(to)),
  };
}

function checkText(field: string, ...texts: string[]): void {
  if (texts.some((text) => text.length > labelLengthMax)) throw invalid(`${field}: is too long`);
}

function searchedType(type: string): SearchedType {
  if (!searchedTypes.includes(type as SearchedType)) throw invalid(`types: is of ${searchedTypes.join(', ')}`);
  return type as SearchedType;
}

function hitMessage({ ms, at, excerpt, ...hit }: Hit): MessageInitShape<typeof SearchHitSchema> {
  return {
    type: hit.type,
    time: timestampFromMs(ms),
    projectId: hit.project_id,
    taskId: hit.task_id,
    sessionId: hit.session_id,
    turnId: hit.turn_id,
    commandId: hit.command_id,
    cursor: cursorMessage(hit),
    stream: hit.stream,
    offset: BigInt(at),
    ...excerpt,
  };
}
