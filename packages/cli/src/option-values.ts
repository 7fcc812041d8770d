// How option values on the command line become values: numbers with bounds, NAME=value pairs, lists.

import { InvalidArgumentError } from 'commander';

export function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** null: for ever. */
export function orForever(parse: (text: string) => number) {
  return (text: string): number | null => (text === 'for-ever' ? null : parse(text));
}

/** More than nothing. */
export function amount(max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d*\.?\d+$/.test(text) && value > 0 && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number above 0, at most ${max}.`);
  };
}

/** A day, from its beginning in UTC, or a time; as ISO 8601. */
export function moment(text: string): string {
  const ms = /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return new Date(ms).toISOString();
  throw new InvalidArgumentError('It must look like 2026-01-31 or 2026-01-31T08:00:00Z.');
}

/** Repeatable: --env A=1 --env B=2. A later value of the same name wins. */
export function pair(text: string, previous: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must look like NAME=value.');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Repeatable: --attempt "a" --attempt "b". */
export function listed(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** a,b,c */
export function commaSeparated(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
}

/** a,b,c, each of them one of these. */
export function namesOf<Name extends string>(known: readonly Name[]) {
  return (text: string): Name[] => {
    const names = commaSeparated(text);
    const unknown = names.filter((name) => !known.includes(name as Name));
    if (unknown.length === 0) return names as Name[];
    throw new InvalidArgumentError(`There is no "${unknown[0]}": they are ${known.join(', ')}.`);
  };
}
