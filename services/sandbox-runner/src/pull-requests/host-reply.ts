// What a host's client hands on, judged: the failure beneath a client's own, and the parts of an answer that are relied on.

import { z } from 'zod';
import { HostFailure } from './host-fetch.ts';

export const commit = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/);
export const number = z.int().positive();
/** Of a web page, to be shown. */
export const pageUrl = z.url({ protocol: /^https?$/ }).max(2_000);
export const branch = z.string().min(1).max(1_000);
/** By the host's name for them. */
export const person = z.string().max(200);

/** @throws HostFailure */
export async function reply<T extends z.ZodType>(schema: T, call: () => Promise<unknown>): Promise<z.output<T>> {
  let answer: unknown;
  try {
    answer = await call();
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof HostFailure) throw cause;
      if (cause.name === 'AbortError') throw cause;
    }
    throw new HostFailure('the host answers what its client does not understand');
  }
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new HostFailure(`the host answers what its API does not have: ${where.slice(0, 200)}`);
}
