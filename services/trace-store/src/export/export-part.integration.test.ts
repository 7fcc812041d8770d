// Parts of a project on a real ClickHouse, read by a reader of Parquet that is not ours.

import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { ended, type Fixture, newSession, openFixture, output, publisher, queued } from '../trace-store-fixture.ts';
import { exportPart, type Part, type PartBounds, type PartQuestion } from './export-part.ts';

let fixture: Fixture;
let clickhouse: ClickHouse;
const first = newSession();
const lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
/** Of the same project, but for the last one, which is of the same organization. */
const sessions = [
  first,
  { ...newSession(first.organizationId), projectId: first.projectId },
  newSession(first.organizationId),
];

beforeAll(async () => {
  fixture = await openFixture('export');
  await fixture.start();
  for (const session of [...sessions, newSession()]) {
    const publish = publisher(fixture.js, session);
    const command = newId('command');
    await publish(command, 1, queued('seq'));
    for (let number = 0; number < 20; number += 1) {
      await publish(command, number + 2, output('stdout', number * 2, number * 2, Buffer.from([0xff, 10])));
    }
    await publish(command, 22, ended(0, 40, 0));
    await fixture.trace.query({ organizationId: session.organizationId, sql: 'SELECT count() AS n FROM events' });
  }
  await fixture.stop();
  clickhouse = await openClickHouse(fixture.config.clickhouse, lifetime);
});
afterAll(async () => {
  await lifetime.close();
  await fixture?.close();
});

const question: PartQuestion = {
  ...{ organizationId: first.organizationId, projectId: first.projectId, of: 'events', after: '' },
  ...{ from: undefined, to: undefined },
};

async function partsOf(of: Partial<PartQuestion>, max?: PartBounds): Promise<Part[]> {
  const parts: Part[] = [];
  for (let after = ''; parts.length === 0 || after !== ''; after = parts.at(-1)!.next) {
    parts.push(await exportPart(clickhouse, { ...question, ...of, after }, max));
  }
  return parts;
}

async function rowsOf(parts: Part[]): Promise<Record<string, any>[]> {
  const read = parts.map(({ parquet }) => parquetReadObjects({ file: new Uint8Array(parquet).buffer }));
  return (await Promise.all(read)).flat();
}

test('in parts of any size it is every row of the project once, in order', async () => {
  const whole = await rowsOf(await partsOf({}));
  expect(whole.map(({ type }) => type)).toEqual(
    [1, 2].flatMap(() => ['command.queued', ...Array.from({ length: 20 }, () => 'command.output'), 'command.ended']),
  );
  expect(new Set(whole.map(({ session_id }) => session_id))).toEqual(
    new Set(sessions.slice(0, 2).map(({ sessionId }) => sessionId)),
  );
  expect(whole.at(-1)).toMatchObject({ project_id: first.projectId, outcome: 'exited', exit_code: 0, bytes: 40n });
  for (const max of [
    { rows: 7, bytes: 10 ** 9 },
    { rows: 1_000, bytes: 1_500 },
    { rows: 1_000, bytes: 1 },
    { rows: 44, bytes: 10 ** 9 },
  ]) {
    const parts = await partsOf({}, max);
    expect(await rowsOf(parts)).toEqual(whole);
    for (const { rows } of parts) expect(rows).toBeLessThanOrEqual(max.rows);
  }
});

test('output comes byte for byte, and a time bounds what comes', async () => {
  const output = await rowsOf(await partsOf({ of: 'command_output' }, { rows: 9, bytes: 10 ** 9 }));
  expect(output).toHaveLength(40);
  expect(output.map(({ position }) => Number(position)).slice(0, 20)).toEqual(
    Array.from({ length: 20 }, (_, index) => index * 2),
  );
  const at = (number: number) => new Date(1_790_000_000_000 + number);
  const some = await rowsOf(await partsOf({ from: at(3), to: at(5) }));
  expect(some.map(({ number }) => Number(number))).toEqual([3, 4, 3, 4]);
  const [none, ...more] = await partsOf({ from: at(1_000) });
  expect([none!.rows, none!.next, more]).toEqual([0, '', []]);
});

test('what is asked after must be what a part has answered', async () => {
  const quoted = Buffer.from(JSON.stringify([`'; SELECT 1`, 1, 1, 1])).toString('base64url');
  expect((await exportPart(clickhouse, { ...question, after: quoted })).rows).toBeGreaterThanOrEqual(0);
  for (const after of [
    'x',
    Buffer.from('[1]').toString('base64url'),
    Buffer.from('["a",-1,1,1]').toString('base64url'),
  ]) {
    const failed = await exportPart(clickhouse, { ...question, after }).catch((error: unknown) => error);
    expect(ConnectError.from(failed).code).toBe(Code.InvalidArgument);
  }
});
