// Numbers as something to look at: bars beside a table, and lines of many values in one row.

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const heights = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** At most so many columns, which `max` takes; what is more than nothing is seen. */
export function bar(value: number, max: number, columns: number): string {
  if (!(value > 0) || !(max > 0)) return '';
  const parts = Math.max(1, Math.round((Math.min(value, max) / max) * columns * 8));
  return '█'.repeat(Math.floor(parts / 8)) + eighths[parts % 8]!;
}

/** One column for each value, the highest for the greatest of them; a space for nothing. */
export function sparkline(values: readonly number[]): string {
  const max = Math.max(0, ...values);
  return values
    .map((value) => (value > 0 ? heights[Math.min(7, Math.max(0, Math.ceil((value / max) * 8) - 1))]! : ' '))
    .join('');
}

export type ChartInterval = 'hour' | 'day' | 'week' | 'month';

/** Every beginning of an interval from the first to the last of these, the latest ones where there are too many. */
export function startsBetween(interval: ChartInterval, starts: readonly string[], countMax: number): string[] {
  const sorted = starts.toSorted();
  const [first, last] = [sorted[0], sorted.at(-1)];
  const all: string[] = [];
  if (first === undefined || last === undefined) return all;
  for (let at = last; at >= first && all.length < countMax; at = previous(interval, at)) all.unshift(at);
  return all;
}

function previous(interval: ChartInterval, start: string): string {
  const date = new Date(start);
  if (interval === 'hour') date.setUTCHours(date.getUTCHours() - 1);
  else if (interval === 'month') date.setUTCMonth(date.getUTCMonth() - 1);
  else date.setUTCDate(date.getUTCDate() - (interval === 'week' ? 7 : 1));
  return date.toISOString();
}
