// A report by its name: asked of ClickHouse within bounds, its rows as JSON.
//
// It runs where tenants' SQL does, on few connections of their own: pages of histories do not wait for it. What is too much is
// RESOURCE_EXHAUSTED.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type ReportResponse, ReportResponseSchema } from '@worktrail/proto/trace';
import { statementMemoryBytesMax, type ClickHouse } from '../clickhouse/store.ts';
import { queryError } from '../query/errors.ts';
import { approvals } from './approvals.ts';
import { commandFailures } from './command-failures.ts';
import { filesChanged } from './files-changed.ts';
import { filesRead } from './files-read.ts';
import { outcomes } from './outcomes.ts';
import { outputVolume } from './output-volume.ts';
import { recovery } from './recovery.ts';
import type { Interval } from './intervals.ts';
import type { Report, ReportQuestion } from './report.ts';
import { sessions } from './sessions.ts';
import { slowestCommands } from './slowest-commands.ts';
import { tasks } from './tasks.ts';
import { usage } from './usage.ts';
import { waits } from './waits.ts';

export const reports: ReadonlyMap<string, Report> = new Map([
  ['sessions', sessions],
  ['outcomes', outcomes],
  ['tasks', tasks],
  ['usage', usage],
  ['command-failures', commandFailures],
  ['slowest-commands', slowestCommands],
  ['output-volume', outputVolume],
  ['files-changed', filesChanged],
  ['files-read', filesRead],
  ['waits', waits],
  ['recovery', recovery],
  ['approvals', approvals],
]);

const bounds = { isOwn: true, seconds: 10, memoryBytes: statementMemoryBytesMax, threads: 2 };
/** Integers as numbers and times as ISO 8601, as the API has them; a beginning of an interval is a time of any year. */
const asJson = `FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0, date_time_output_format = 'iso',
  enable_extended_results_for_datetime_functions = 1`;

/** @throws ConnectError INVALID_ARGUMENT for a report that there is not, or a group or interval that it has not. */
export function findReport(name: string, groupBy: string, interval: Interval): Report {
  const report = reports.get(name);
  if (!report) throw new ConnectError(`name: there is no report "${name.slice(0, 100)}"`, Code.InvalidArgument);
  if (!report.groups.includes(groupBy))
    throw new ConnectError(`group_by: is one of ${report.groups.join(', ')}`, Code.InvalidArgument);
  if (report.isList && interval !== 'none')
    throw new ConnectError('interval: this report has none', Code.InvalidArgument);
  return report;
}

export async function answerReport(
  clickhouse: Pick<ClickHouse, 'confined'>,
  report: Report,
  question: ReportQuestion,
  rowsMax: number,
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
