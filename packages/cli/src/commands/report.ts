// worktrail report <name>: what the history adds up to, as a table. On a terminal with bars, and over time as a line for each key.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { bar, type ChartInterval, sparkline, startsBetween } from '../screen/charts.ts';
import type { Column } from '../screen/table.ts';
import type { ReportView, ShownReport } from './report-views.ts';
import { resolveProjectId } from './resolve-project.ts';

const barColumns = 20;
const lineColumnsMax = 48;

export interface ReportOptions {
  from?: string;
  to?: string;
  project?: string;
  label?: string;
  by?: string;
  every?: string;
  limit?: number;
}

export function report(view: ReportView) {
  return async (cli: Cli, { from, to, project, label, by: groupBy, every, limit }: ReportOptions): Promise<number> => {
    const { screen } = cli;
    const client = await cli.client();
    const projectId = project === undefined ? undefined : await resolveProjectId(cli, client, project);
    const interval = every === view.every ? undefined : every;
    const query = { from, to, projectId, label, groupBy, interval, limit };
    const found = await view.ask(client, query as Parameters<ReportView['ask']>[1]);
    if (screen.json) await screen.document(found);
    else await print(cli, view, found);
    return exitCodes.ok;
  };
}

async function print({ screen }: Cli, view: ReportView, found: ShownReport): Promise<void> {
  if (found.items.length === 0) screen.note(view.empty);
  else if (screen.isTerminal && found.interval !== 'none' && found.groupBy !== 'all') {
    const { columns, rows } = lines(view, found, found.interval as ChartInterval);
    await screen.table(columns, rows);
  } else {
    const { columns, rows } = table(view, found, screen.isTerminal);
    await screen.table(columns, rows);
  }
  if (found.truncated) screen.note('more were left out');
}

const right = { align: 'right' as const };

/** A row for each of the report's, and a bar. */
function table(view: ReportView, { groupBy, interval, items }: ShownReport, draws: boolean) {
  const isOverTime = interval !== 'none';
  const isOne = groupBy === 'all';
  const max = Math.max(...items.map((item) => numberOf(item[view.drawn])));
  const columns: Column[] = [
    ...(isOverTime ? [{ title: 'FROM' }] : []),
    ...(isOne ? [] : [{ title: groupBy.toUpperCase(), shrinks: groupBy === 'path' }]),
    ...view.columns.map(({ title, format, canGo = false, shrinks = false }) => ({
      ...{ title, canGo, shrinks },
      ...(format && right),
    })),
    ...(draws ? [{ title: '', canGo: true }] : []),
  ];
  const rows = items.map((item) => [
    ...(isOverTime ? [startText(interval, String(item['start']))] : []),
    ...(isOne ? [] : [keyText(item['key'])]),
    ...view.columns.map(({ field, format }) => cellText(item[field], format)),
    ...(draws ? [bar(numberOf(item[view.drawn]), max, barColumns)] : []),
  ]);
  return { columns, rows };
}

/** A row for each key: the greatest of its values, and all of them as they came. */
function lines(view: ReportView, { groupBy, items }: ShownReport, interval: ChartInterval) {
  const starts = startsBetween(
    interval,
    items.map(({ start }) => String(start)),
    lineColumnsMax,
  );
  const drawn = view.columns.find(({ field }) => field === view.drawn);
  const keys = [...Map.groupBy(items, ({ key }) => key)].map(([key, of]) => {
    const values = new Map(of.map((item) => [String(item['start']), numberOf(item[view.drawn])]));
    return { key, values: starts.map((start) => values.get(start) ?? 0), max: Math.max(...values.values()) };
  });
  return {
    columns: [
      { title: groupBy.toUpperCase(), shrinks: true },
      { title: `MOST ${drawn?.title ?? ''}`.trimEnd(), ...right },
      { title: `${startText(interval, starts[0]!)} … ${startText(interval, starts.at(-1)!)}` },
    ],
    rows: keys
      .toSorted((a, b) => b.max - a.max)
      .map(({ key, values, max }) => [keyText(key), cellText(max, drawn?.format), sparkline(values)]),
  };
}

function startText(interval: string, start: string): string {
  if (interval === 'hour') return start.slice(0, 16).replace('T', ' ');
  return start.slice(0, interval === 'month' ? 7 : 10);
}

function keyText(key: string | number | null | undefined): string {
  return key === '' || key === null || key === undefined ? '(none)' : String(key);
}

function cellText(value: string | number | null | undefined, format?: (value: number) => string): string {
  if (value === null || value === undefined) return '';
  return format && typeof value === 'number' ? format(value) : String(value);
}

function numberOf(value: string | number | null | undefined): number {
  return typeof value === 'number' ? value : 0;
}
