import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { schemaFiles, statements } from './schema.ts';
import { onCluster } from './replicated.ts';

const place = `'/clickhouse/tables/{uuid}/{shard}', '{replica}'`;

test.each([
  [
    'CREATE TABLE IF NOT EXISTS a (x String) ENGINE = MergeTree ORDER BY x',
    `CREATE TABLE IF NOT EXISTS a ON CLUSTER 'c' (x String) ENGINE = ReplicatedMergeTree(${place}) ORDER BY x`,
  ],
  [
    'CREATE TABLE a (x String)\nENGINE = ReplacingMergeTree(version)\nORDER BY x',
    `CREATE TABLE a ON CLUSTER 'c' (x String)\nENGINE = ReplicatedReplacingMergeTree(${place}, version)\nORDER BY x`,
  ],
  ['ALTER TABLE a ADD COLUMN x String', `ALTER TABLE a ON CLUSTER 'c' ADD COLUMN x String`],
  ['TRUNCATE TABLE a', `TRUNCATE TABLE a ON CLUSTER 'c'`],
  ['EXCHANGE TABLES a AND b', `EXCHANGE TABLES a AND b ON CLUSTER 'c'`],
  [`INSERT INTO a SELECT 'ALTER TABLE b' FROM c`, `INSERT INTO a SELECT 'ALTER TABLE b' FROM c`],
])('%s', (statement, expected) => {
  expect(onCluster(statement, 'c')).toBe(expected);
});

test('every table of the schema is replicated, and every change of one is made on all', async () => {
  for (const name of await schemaFiles()) {
    const text = await readFile(new URL(`../../schema/${name}`, import.meta.url), 'utf8');
    for (const statement of statements(text)) {
      const changed = onCluster(statement, 'c');
      if (statement.startsWith('INSERT')) expect(changed).toBe(statement);
      else expect(changed).toMatch(/^(CREATE|ALTER|TRUNCATE|DROP|EXCHANGE) TABLES? [\w ]*ON CLUSTER 'c'/);
      if (statement.startsWith('CREATE')) expect(changed).toMatch(/\nENGINE = Replicated\w*MergeTree\('/);
    }
  }
});
