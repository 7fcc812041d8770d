import { expect, test } from 'vitest';
import { createConnectionPool } from './connection-pool.ts';

function counted() {
  let opened = 0;
  const closed: number[] = [];
  const open = () => {
    const id = ++opened;
    return { id, close: async () => closed.push(id) };
  };
  return { open, closed, opened: () => opened };
}

test('a connection on which a statement failed is closed and not used again', async () => {
  const connections = counted();
  const pool = createConnectionPool(connections.open, 1, 10);
  await expect(pool.use(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(connections.closed).toEqual([1]);
  expect(await pool.use(async ({ id }) => id)).toBe(2);
  expect(await pool.use(async ({ id }) => id)).toBe(2);
});

test('where no new connection can be opened, the failed one is still not used, and the pool recovers', async () => {
  const connections = counted();
  let refusals = 0;
  const open = () => {
    if (connections.opened() > 0 && refusals++ === 0) throw new Error('the engine refuses');
    return connections.open();
  };
  const pool = createConnectionPool(open, 1, 10);
  await expect(pool.use(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(pool.use(async ({ id }) => id)).rejects.toThrow('the engine refuses');
  expect(await pool.use(async ({ id }) => id)).toBe(2);
});

test('a connection runs one statement at a time, and too many waiting are refused', async () => {
  const pool = createConnectionPool(counted().open, 1, 1);
  let release = () => {};
  const running = pool.use(() => new Promise<void>((resolve) => (release = resolve)));
  let began = false;
  const waiting = pool.use(async () => {
    began = true;
  });
  await expect(pool.use(async () => {})).rejects.toThrow(/too many/);
  expect(began).toBe(false);
  release();
  await running;
  await waiting;
  expect(began).toBe(true);
});

test('who has waited too long for a place, or has gone, is told so and takes none', async () => {
  const pool = createConnectionPool(counted().open, 1, 10, (why) => new Error(`all places are taken: ${why}`));
  const held = Promise.withResolvers<string>();
  const running = pool.use(() => held.promise);
  const never = async () => 'it has run';
  await expect(pool.use(never, { waitMsMax: 20 })).rejects.toThrow(/^all places are taken: .* waited too long/);
  const gone = new AbortController();
  const leaving = pool.use(never, { signal: gone.signal });
  gone.abort(new Error('gone'));
  await expect(leaving).rejects.toThrow('gone');
  const next = pool.use(async () => 'next', { waitMsMax: 60_000 });
  held.resolve('held');
  expect(await Promise.all([running, next])).toEqual(['held', 'next']);
  expect(await pool.use(async () => 'again')).toBe('again');
});
