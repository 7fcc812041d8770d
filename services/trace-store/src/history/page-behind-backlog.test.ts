import type { JetStreamManager } from '@nats-io/jetstream';
import { type Cursor, toCursor } from '@worktrail/contract/cursor';
import { expect, test } from 'vitest';
import { createFlushBarrier } from '../flush-barrier.ts';
import type { HistoryPage } from './history.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { readBehindBacklog } from './page-behind-backlog.ts';

const inStream = 100;
const jsm = { direct: { getMessage: async () => ({ seq: inStream }) } } as unknown as Pick<JetStreamManager, 'direct'>;

/** Stored up to `sequence`; further once somebody waits for the n-th time. */
function ingestAt(sequence: number, reachedAtWait = Infinity, problem?: string): Ingest {
  let waits = 0;
  return {
    stream: 'stream',
    position: () => toCursor(1, sequence, 0),
    waitFor: async (wanted: number) => {
      waits += 1;
      if (wanted <= sequence) return toCursor(1, sequence, 0);
      if (waits >= reachedAtWait) return toCursor(1, wanted, 0);
      throw new Error('not stored');
    },
    problem: () => problem,
  } as unknown as Ingest;
}

function reader(
  events: number,
  { complete = true, bytes = 100 } = {},
): { asked: Cursor[]; read: (stored: Cursor) => Promise<HistoryPage> } {
  const asked: Cursor[] = [];
  const read = async (stored: Cursor): Promise<HistoryPage> => {
    asked.push(stored);
    const page = Array.from({ length: events }, (_, i) => ({
      cursor: toCursor(1, i + 1, 0),
      message: new Uint8Array(),
    }));
    return { events: page, next: stored, complete, bytes };
  };
  return { asked, read };
}

type Read = (stored: Cursor) => Promise<HistoryPage>;

async function pageOf(ingest: Ingest, read: Read, nowMs = () => 0): Promise<HistoryPage> {
  return readBehindBacklog(await createFlushBarrier(jsm).approach(ingest, 'subjects'), read, nowMs);
}

test('a page that has all of the stream is complete, and read once', async () => {
  const { asked, read } = reader(2);
  expect(await pageOf(ingestAt(inStream), read)).toMatchObject({ complete: true });
  expect(asked).toEqual([toCursor(1, inStream, 0)]);
});

test.each([
  ['is full', { complete: false }],
  ['has much to give', { bytes: 1024 * 1024 }],
])('a page that %s does not wait for what is behind it', async (_, much) => {
  const { asked, read } = reader(2, much);
  const ingest = ingestAt(40, 2);
  expect(await pageOf(ingest, read)).toMatchObject({ complete: false, next: toCursor(1, 40, 0) });
  expect(asked).toHaveLength(1);
});

test('while more waits to be stored a page gives what is stored and is not complete', async () => {
  const { asked, read } = reader(2);
  const page = await pageOf(ingestAt(40), read);
  expect(page.complete).toBe(false);
  expect(page.events).toHaveLength(2);
  expect(asked).toEqual([toCursor(1, 40, 0)]);
});

test('a page that has all that is stored is read again once the backlog is stored', async () => {
  const { asked, read } = reader(2);
  expect(await pageOf(ingestAt(40, 2), read)).toMatchObject({ complete: true });
  expect(asked.map(({ sequence }) => sequence)).toEqual([40, inStream]);
});

test('where reading takes long a page is answered without waiting, and without being read again', async () => {
  const { asked, read } = reader(2);
  let timeMs = 0;
  const slowly: Read = (stored) => {
    timeMs += 1_500;
    return read(stored);
  };
  expect(await pageOf(ingestAt(40, 2), slowly, () => timeMs)).toMatchObject({ complete: false });
  expect(asked).toHaveLength(1);
});

test('a page with nothing to give behind a backlog that stays is empty, and not complete', async () => {
  const page = await pageOf(ingestAt(40), reader(0).read);
  expect(page).toMatchObject({ events: [], complete: false, next: toCursor(1, 40, 0) });
});

test('while ClickHouse does not take what is to be stored there is no page', async () => {
  await expect(pageOf(ingestAt(40, Infinity, 'ClickHouse is away'), reader(2).read)).rejects.toThrow(
    'ClickHouse is away',
  );
});
