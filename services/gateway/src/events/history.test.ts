import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { createHistory } from './history.ts';

const scope = { partition: 0, organizationId: 'org', sessionId: 'ses' };
const refusing = (error: ConnectError) =>
  createHistory({ listEvents: () => Promise.reject(error) }).page(scope, { after: undefined, limit: 1, types: [] });

test('a history that is not kept any more is 410 cursor_expired, with the oldest cursor that can be served', async () => {
  const gone = new ConnectError('gone', Code.OutOfRange, { 'worktrail-oldest-cursor': 'abc-1' });
  await expect(refusing(gone)).rejects.toMatchObject({ code: 'cursor_expired', members: { oldest: 'abc-1' } });
});

test('a cursor that the trace-store does not take is 400 cursor_invalid', async () => {
  await expect(refusing(new ConnectError('no', Code.InvalidArgument))).rejects.toMatchObject({
    code: 'cursor_invalid',
  });
});
