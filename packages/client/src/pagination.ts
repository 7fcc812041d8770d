// A list of the API as an async iterator over its items, page after page.

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export interface PageQuery {
  limit?: number;
  cursor?: string;
}

/** @throws when the server answers with the cursor it was asked with: such a list would never end. */
export async function* allItems<T>(fetchPage: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  for (;;) {
    const page: Page<T> = await fetchPage(cursor);
    yield* page.items;
    if (page.nextCursor === null) return;
    if (page.nextCursor === cursor) throw new Error(`the list does not go on: cursor ${cursor} leads to itself`);
    cursor = page.nextCursor;
  }
}
