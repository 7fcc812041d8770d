// A report by its name: asked of ClickHouse within bounds, its rows as JSON.
//
// It runs where tenants' SQL does, on few connections of their own: pages of histories do not wait for it. What is too much is
// RESOURCE_EXHAUSTED.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type ReportResponse, ReportResponseSchema } from '@worktrail/proto/trace';
import type { ClickHouse } from '../clickhouse/store.ts';
import { queryError } from '../query-errors.ts';
import type { Report, ReportQuestion } from './report.ts';
import { usage } from './usage.ts';

const reports: ReadonlyMap<string, Report> = new Map([['usage', usage]]);

const rowsMax = 1_000;
const bounds = { seconds: 10, memoryBytes: 1024 ** 3, threads: 2 };
/** Integers as numbers, as the API has them. */
const asJson = 'FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0';

/** @throws ConnectError INVALID_ARGUMENT for a report or a group that there is not. */
export function findReport(name: string, groupBy: string): Report {
  const report = reports.get(name);
  if (!report) throw new ConnectError(`name: there is no report "${name.slice(0, 100)}"`, Code.InvalidArgument);
  if (report.groups.includes(groupBy)) return report;
  throw new ConnectError(`group_by: is one of ${report.groups.join(', ')}`, Code.InvalidArgument);
}

export async function answerReport(
  clickhouse: Pick<ClickHouse, 'confined'>,
  report: Report,
  question: ReportQuestion,
): Promise<ReportResponse> {
  const { text } = report.statement(question, rowsMax + 1);
  try {
    const answer = await clickhouse.confined(bounds, (connection) => connection.text(`${text} ${asJson}`));
    const rows = answer.split('\n').filter((line) => line !== '');
    const truncated = rows.length > rowsMax;
    return create(ReportResponseSchema, { rowsJson: `[${rows.slice(0, rowsMax).join(',')}]`, truncated });
  } catch (error) {
    throw queryError(error);
  }
}
