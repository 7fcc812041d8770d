// Pages of a directory in the order of the bytes of its names. The cursor is the last name of a page, whatever bytes it has.

export function pageOfNames<Entry extends { name: Buffer }>(
  entries: readonly Entry[],
  { limit, after }: { limit: number; after: string | null },
): { page: Entry[]; next: string | null } {
  const last = after === null ? Buffer.alloc(0) : decodeName(after);
  const rest = entries
    .filter(({ name }) => Buffer.compare(name, last) > 0)
    .toSorted((a, b) => Buffer.compare(a.name, b.name));
  const page = rest.slice(0, limit);
  return { page, next: rest.length > limit ? encodeName(page.at(-1)!.name) : null };
}

export function encodeName(name: Buffer): string {
  return name.toString('base64url');
}

export function decodeName(cursor: string): Buffer {
  return Buffer.from(cursor, 'base64url');
}
