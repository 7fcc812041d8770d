// Numbers in a query string: bounded, with a default, and described as what they are.

import { z } from '@hono/zod-openapi';
import { limits } from '@worktrail/contract/limits';

export function queryInteger(bounds: { min: number; max?: number; byDefault: number; description?: string }) {
  const { min, max = Number.MAX_SAFE_INTEGER, byDefault, description } = bounds;
  const maximum = bounds.max !== undefined && { maximum: max };
  return z.coerce
    .number()
    .int()
    .min(min)
    .max(max)
    .default(byDefault)
    .openapi({ type: 'integer', minimum: min, ...maximum, default: byDefault, ...(description && { description }) });
}

export function waitSeconds(description: string) {
  const maximum = limits.waitSecondsMax;
  return z.coerce
    .number()
    .min(0)
    .max(maximum)
    .default(0)
    .openapi({ type: 'number', minimum: 0, maximum, default: 0, description });
}
