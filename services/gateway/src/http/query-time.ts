// Times in a query string.

import { z } from '@hono/zod-openapi';
import { invalid } from '../problem.ts';

const yearMin = 1970;
const yearMax = 2199;

export function queryTime(description: string) {
  return z.iso
    .datetime({ offset: true })
    .refine((text) => isKept(new Date(text)), `must be in a year from ${yearMin} to ${yearMax}`)
    .optional()
    .openapi({ format: 'date-time', description });
}

function isKept(date: Date): boolean {
  return date.getUTCFullYear() >= yearMin && date.getUTCFullYear() <= yearMax;
}

export const timeRange = {
  from: queryTime('Only what happened then or later.'),
  to: queryTime('Only what happened before.'),
};

/** @throws validation_failed where nothing can be between them. */
export function datesOf(range: { from?: string | undefined; to?: string | undefined }) {
  const [from, to] = [range.from, range.to].map((text) => (text === undefined ? undefined : new Date(text)));
  if (from && to && from >= to) throw invalid({ path: 'to', message: 'must be later than from' });
  return { from, to };
}
