import type { SessionState } from '@worktrail/contract/documents';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeStale } from './stale-sessions.ts';

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
