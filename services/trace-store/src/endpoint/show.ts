// What clients ask about tables in statements of their own, as a SELECT over what is shown to them; other statements as they are.
//
// The text is the one that ClickHouse's formatter wrote. What comes out is confined like every statement.

import { quoteString } from '../clickhouse/sql-text.ts';
import { type View, views } from '../query/views.ts';
import { handshakeDatabase } from './handshake.ts';

const name = /(?:(?:(\w+)|`(\w+)`)\.)?(?:(\w+)|`(\w+)`)/.source;
const described = new RegExp(`^(DESCRIBE|SHOW CREATE) TABLE ${name}( FORMAT \\w+)?$`);
const listed = /^SHOW (DATABASES|TABLES)(?: FROM (?:(\w+)|`(\w+)`))?( FORMAT \w+)?$/;

export function shownBy(text: string): string {
  const list = listed.exec(text);
  if (list) {
    const [, what, bare, quoted, format = ''] = list;
    if (what === 'DATABASES') return `SELECT name FROM system.databases ORDER BY name${format}`;
    const database = quoteString(bare ?? quoted ?? handshakeDatabase);
    return `SELECT name FROM system.tables WHERE database = ${database} ORDER BY name${format}`;
  }
  const [, what, bareDatabase, quotedDatabase, bare, quoted, format = ''] = described.exec(text) ?? [];
  const view = views.find((one) => one.name === (bare ?? quoted));
  if (!view || (bareDatabase ?? quotedDatabase ?? handshakeDatabase) !== handshakeDatabase) return text;
  if (what === 'SHOW CREATE') return `SELECT ${quoteString(definition(view))} AS statement${format}`;
  return `SELECT name, type, '' AS default_type, '' AS default_expression, comment, '' AS codec_expression, '' AS ttl_expression FROM system.columns WHERE table = ${quoteString(view.name)} ORDER BY position${format}`;
}

/** What it is made of is not told. */
function definition({ name: view, columns, comment }: View): string {
  const lines = columns.map((column) => `    \`${column.name}\` ${column.type} COMMENT ${quoteString(column.comment)}`);
  return `CREATE VIEW ${handshakeDatabase}.${view}\n(\n${lines.join(',\n')}\n)\nCOMMENT ${quoteString(comment)}`;
}
