// Questions over everything that an organization has stored. Each takes of ClickHouse what it needs, so an organization asks few at once.

import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { TraceService } from '@worktrail/proto/trace';
import type { ClickHouse } from '../clickhouse/store.ts';
import { createFairShare } from '../fair-share.ts';
import { clientQuestion } from '../endpoint/client-question.ts';
import { answerQuery } from '../query.ts';
import { streamQuery } from '../query-stream.ts';
import { answerReport, findReport } from '../reports/answer-report.ts';
import { isInterval } from '../reports/intervals.ts';
import { bounded, checkName, invalid, storableDate } from './asked.ts';
import type { Scopes } from './scopes.ts';

/** Running and waiting ones together: others find a place, too. */
const statementsPerOrganizationMax = 4;
const reportRowsMax = 1_000;

export interface OrganizationQuestionsDeps {
  clickhouse: ClickHouse;
  scopes: Scopes;
  querySecondsMax: number;
}

type OrganizationQuestions = Pick<ServiceImpl<typeof TraceService>, 'query' | 'queryStream' | 'report'>;

export function createOrganizationQuestions(deps: OrganizationQuestionsDeps): OrganizationQuestions {
  const { clickhouse, scopes } = deps;
  const statements = createFairShare(statementsPerOrganizationMax);
  /** Who asks may give it less time. */
  const secondsMax = ({ max_execution_time: given = '' }: Record<string, string>) =>
    Math.min(deps.querySecondsMax, Number(given) >= 1 ? Math.floor(Number(given)) : deps.querySecondsMax);
  return {
    query: async ({ organizationId, sql, parameters }, { signal }) => {
      await scopes.passOrganization(organizationId);
      const question = { organizationId, sql, parameters, secondsMax: deps.querySecondsMax };
      return await statements.use(organizationId, () => answerQuery(clickhouse, question, signal));
    },

    queryStream: async function* (request, { signal }) {
      await scopes.passOrganization(request.organizationId);
      const { organizationId, sql, format, parameters } = request;
      const ask = request.client ? { ask: clientQuestion(request) } : {};
      const question = { organizationId, sql, format, parameters, secondsMax: secondsMax(request.settings), ...ask };
      yield* statements.useWhile(request.organizationId, () => streamQuery(clickhouse, question, signal));
    },

    report: async ({ name, organizationId, projectId, groupBy, interval: asked, limit, from, to }) => {
      const interval = asked || 'none';
      if (!isInterval(interval)) throw invalid('interval: is one of none, hour, day, week, month');
      const report = findReport(name, groupBy, interval);
      if (projectId !== '') checkName('project_id', projectId);
      const times = {
        from: from && storableDate('from', timestampDate(from)),
        to: to && storableDate('to', timestampDate(to)),
      };
      await scopes.passOrganization(organizationId);
      const question = { organizationId, projectId, groupBy, interval, ...times };
      const rowsMax = bounded(limit, reportRowsMax);
      return await statements.use(organizationId, () => answerReport(clickhouse, report, question, rowsMax));
    },
  };
}
