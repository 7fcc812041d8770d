// docs/clickhouse.md tells of the views what views.ts does.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { views } from './views.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/clickhouse.md'), 'utf8');

test.each(views)('the page has the columns of $name as they are', ({ name, comment, columns }) => {
  const rows = columns.map((column) => `| \`${column.name}\` | \`${column.type}\` | ${column.comment} |`);
  const section = [`### ${name}`, '', comment, '', '| column | type | |', '| --- | --- | --- |', ...rows, ''].join(
    '\n',
  );
  expect(page).toContain(section);
});

test('no view is told of that there is not', () => {
  expect([...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name)).toEqual(views.map(({ name }) => name));
});
