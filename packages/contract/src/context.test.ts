import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import { expect, test } from 'vitest';
import { contextReferenced } from './context.ts';

test('what was shown stands in the event: repository, commit, path, lines, blob and score of each hit', () => {
  const hit = { path: 'a.ts', firstLine: 2, lastLine: 4, blob: 'b'.repeat(40), score: 0.5 };
  const payload = contextReferenced('open store', {
    ...{ repository: 'https://host/a.git', commit: 'c'.repeat(40) },
    hits: [{ ...hit, kind: 'text', language: 'typescript', snippet: 'x' }],
    index: { complete: true, files: 1, indexed: 1, skipped: {} },
  });
  const event = fromBinary(EventSchema, toBinary(EventSchema, create(EventSchema, { payload })));
  expect(event.payload.value).toMatchObject({
    query: 'open store',
    references: [{ ...hit, repository: 'https://host/a.git', commit: 'c'.repeat(40) }],
  });
});
