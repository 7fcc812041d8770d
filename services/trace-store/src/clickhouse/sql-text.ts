// Values inside SQL text. In process, statements with parameters run one at a time in the whole process; literals do not.

/** A part of a statement, or all of it. */
export class Sql {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** SQL with its values as literals: a string is one literal whatever it holds. */
export function sql(texts: TemplateStringsArray, ...values: readonly (Sql | string | number | Date)[]): Sql {
  return new Sql(texts.reduce((text, next, index) => text + literal(values[index - 1]!) + next));
}

/** Of a page of groups that are the table's key: it is read up to the last of them. */
export const inKeyOrder = new Sql('SETTINGS optimize_aggregation_in_order = 1, max_execution_time = 10');

/** Strings as the list of an IN. */
export function sqlList(texts: readonly string[]): Sql {
  return new Sql(texts.map(quoteString).join(', '));
}

function literal(value: Sql | string | number | Date): string {
  if (value instanceof Sql) return value.text;
  if (value instanceof Date) return `toDateTime64('${dateTimeText(value)}', 3, 'UTC')`;
  if (typeof value === 'string') return quoteString(value);
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no number to ask with`);
  return String(value);
}

/**
 * A string literal. A brace stands by its number: in process ClickHouse looks for hints to its own test runner, as "-- { retry 3 }", in all
 * of a statement, and without a brace there is none.
 */
export function quoteString(text: string): string {
  return `'${text.replace(/[\\'{\0]/g, (character) => escaped[character]!)}'`;
}

const escaped: Record<string, string> = { '\\': '\\\\', "'": "\\'", '{': '\\x7B', '\0': '\\0' };

/** A time as DateTime64(3) in UTC reads it: `2026-01-02 03:04:05.678`. */
export function dateTimeText(date: Date): string {
  return date.toISOString().replace('T', ' ').replace('Z', '');
}
