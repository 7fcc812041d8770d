// Merges stay within the memory of the engine, whatever is printed, and drop nothing.

import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { setEmbeddedMerges } from './embedded-merges.ts';
import { applySchema } from './schema.ts';
import { type ClickHouse, openClickHouse } from './store.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('merges');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
  await setEmbeddedMerges(clickhouse);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

async function partsOf(table: string): Promise<number> {
  const [row] = await clickhouse.rows<{ parts: number }>(
    `SELECT toUInt32(count()) AS parts FROM system.parts WHERE database = currentDatabase() AND table = '${table}' AND active`,
  );
  return row!.parts;
}

test('output of ten million words, each another, is merged and found', async () => {
  const [blocks, rows, words] = [10, 2_000, 500];
  const word = (row: string, place: string) => `lower(hex(cityHash64(${row}, ${place})))`;
  await clickhouse.command('SYSTEM STOP MERGES command_output_v1');
  for (let block = 0; block < blocks; block++) {
    await clickhouse.command(
      `INSERT INTO command_output_v1 (organization_id, session_id, command_id, position, size, ingested_at, body)
       SELECT 'org', 'ses', 'cmd', number AS position, length(body), now(),
         arrayStringConcat(arrayMap(place -> ${word('number', 'place')}, range(${words})), ' ') AS body
       FROM numbers(${block * rows}, ${rows}) SETTINGS max_threads = 1, max_insert_threads = 1`,
    );
  }
  expect(await partsOf('command_output_v1')).toBe(blocks);
  await clickhouse.command('SYSTEM START MERGES command_output_v1');
  await clickhouse.command('OPTIMIZE TABLE command_output_v1 FINAL');
  expect(await partsOf('command_output_v1')).toBe(1);
  const found = await clickhouse.rows<{ position: string }>(
    `SELECT toString(position) AS position FROM command_output_v1
     WHERE organization_id = 'org' AND hasToken(body, (SELECT ${word('toUInt64(12345)', 'toUInt64(67)')}))
     SETTINGS force_data_skipping_indices = 'body_text'`,
  );
  expect(found).toEqual([{ position: '12345' }]);
}, 180_000);
