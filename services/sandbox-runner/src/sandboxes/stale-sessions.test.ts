import type { SessionState } from '@worktrail/contract/documents';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { judgeStale, startStaleSessions } from './stale-sessions.ts';

afterEach(() => void vi.useRealTimers());

const generation = fc.integer({ min: 0, max: 5 });
const states: SessionState[] = [
  'creating',
  'ready',
  'busy',
  'hibernating',
  'hibernated',
  'resuming',
  'failed',
  'archived',
];
const records = fc.record({ generation, filesGeneration: generation, filesGenerationBefore: generation });
const documents = fc.record({ generation, filesGeneration: generation, state: fc.constantFrom(...states) });

test('files go only where newer ones exist, or the session is archived', () => {
  fc.assert(
    fc.property(records, documents, (record, document) => {
      if (judgeStale(record, document) !== 'everything') return;
      const newest = Math.max(record.filesGeneration, record.filesGenerationBefore);
      expect(document.state === 'archived' || document.filesGeneration > newest).toBe(true);
    }),
  );
});

test('nothing goes of a generation that its document does not know yet, of a failed session, and without a document', () => {
  fc.assert(
    fc.property(records, documents, (record, document) => {
      if (document.generation < record.generation) expect(judgeStale(record, document)).toBe('none');
      expect(judgeStale(record, { ...document, state: 'failed' })).toBe('none');
      expect(judgeStale(record, undefined)).toBe('none');
    }),
  );
});

test('a container goes as soon as a newer generation was issued, wherever that is', () => {
  const record = { generation: 3, filesGeneration: 3, filesGenerationBefore: 2 };
  expect(judgeStale(record, { generation: 3, filesGeneration: 3, state: 'busy' })).toBe('none');
  expect(judgeStale(record, { generation: 4, filesGeneration: 3, state: 'resuming' })).toBe('container');
  expect(judgeStale(record, { generation: 4, filesGeneration: 4, state: 'ready' })).toBe('everything');
  expect(judgeStale(record, { generation: 3, filesGeneration: 3, state: 'archived' })).toBe('everything');
});

test('what unfinished uploads left is looked for again and again: those of a runner that just died are too young at its start', async () => {
  vi.useFakeTimers();
  const log = createLogger({ service: 'test', level: 'silent' });
  const lifetime = createLifetime(log);
  let purges = 0;
  const purgeUnfinished = async () => {
    purges += 1;
    if (purges === 1) throw new Error('the store does not answer');
    return 0;
  };
  const deps = { directories: { list: async () => [] }, nats: { status: async function* () {} }, log };
  startStaleSessions({ ...deps, artifacts: { purgeUnfinished } } as unknown as StaleDeps, lifetime);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(purges).toBeGreaterThan(2);
  await lifetime.close();
  const before = purges;
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(purges).toBe(before);
});

type StaleDeps = Parameters<typeof startStaleSessions>[0];
