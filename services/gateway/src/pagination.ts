// Lists: `?limit=` and `?cursor=`, answered as {items, nextCursor}. A list's cursor is the id of its last item.

import { z } from '@hono/zod-openapi';
import { type IdKind, isId } from '@worktrail/contract/ids';
import { limits } from '@worktrail/contract/limits';
import { queryInteger } from './http/query-number.ts';
import { Problem } from './problem.ts';

export const pageQuery = {
  limit: queryInteger({ min: 1, max: limits.pageMax, byDefault: limits.pageDefault }),
  cursor: z.string().optional().openapi({ description: '`nextCursor` of the page before.' }),
};

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** @throws cursor_invalid for anything that is no id of this kind. */
export function cursorId(cursor: string | undefined, kind: IdKind): string | undefined {
  if (cursor === undefined || isId(cursor, kind)) return cursor;
  throw new Problem('cursor_invalid', 'cursor: is not the nextCursor of a page of this list');
}

/** One page of ids, newest first, from all of them in any order. */
export function pageOfIds(ids: readonly string[], after: string | undefined, limit: number): Page<string> {
  const rest = ids.filter((id) => after === undefined || id < after).toSorted((a, b) => (a < b ? 1 : -1));
  const items = rest.slice(0, limit);
  return { items, nextCursor: rest.length > limit ? items[limit - 1]! : null };
}
