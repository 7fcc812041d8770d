// A document whose reader is gone while a piece of it is on its way: the transport then asks for nothing more.

import { newId } from '@worktrail/contract/ids';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applySchema } from '../clickhouse/schema.ts';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { streamQuery } from './stream.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('stream-left');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
});

afterAll(async () => {
  await lifetime?.close();
  await scratch?.remove();
});

const question = { sql: "SELECT repeat('x', 1000000) AS x", format: 'Arrow', parameters: {}, secondsMax: 20 };

const organizationId = newId('organization');

/** Up to its first piece, at which it stands. */
async function begin(signal: AbortSignal): Promise<string | undefined> {
  const answer = streamQuery(clickhouse, { organizationId, ...question }, signal);
  await answer.next();
  const { value } = await answer.next();
  return value?.part.case;
}

test('it takes no place any more once its request has ended', async () => {
  // As many as an organization may have.
  for (let index = 0; index < 4; index++) {
    const leaving = new AbortController();
    expect(await begin(leaving.signal)).toBe('bytes');
    leaving.abort();
  }
  await expect.poll(() => begin(new AbortController().signal).catch(String)).toBe('bytes');
});

test('of one whose request ended before its first piece nothing is sent', async () => {
  const leaving = new AbortController();
  const answer = streamQuery(clickhouse, { organizationId, ...question }, leaving.signal);
  expect((await answer.next()).value?.part.case).toBe('start');
  // The next one's turn comes when the statement of this one has ended.
  expect(await begin(AbortSignal.timeout(60_000))).toBe('bytes');
  leaving.abort(new Error('gone'));
  await expect(answer.next()).rejects.toThrow('gone');
});
