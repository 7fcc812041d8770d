// How long history is kept: said by the organization within what the operator allows, shown with what there is.

import { expect, inject, test } from 'vitest';
import { createApi } from './api.ts';

test('retention is for ever until the organization says otherwise, and shows the oldest that is kept', async () => {
  const operator = createApi(inject('apiUrl'), inject('operatorToken'));
  const made = await operator.make('/v1/organizations', { name: 'brief', principal: { name: 'b', kind: 'user' } });
  const api = createApi(inject('apiUrl'), made.key.secret);
  const forEver = { days: null, daysMax: null, lastRun: null };
  // That the organization was made is a record, which may be stored by now.
  expect((await api.get('/v1/retention')).body).toEqual({
    ...{ eventsDays: null, outputDays: null, auditDays: null },
    ...{ events: { ...forEver, oldest: null }, output: { ...forEver, oldest: null } },
    audit: { ...forEver, oldest: expect.toSatisfy((oldest) => oldest === null || oldest.endsWith('Z')) },
  });
  const said = { eventsDays: 365, outputDays: 30, auditDays: null };
  const answer = await api.request('PUT', '/v1/retention', said);
  expect(answer).toMatchObject({ status: 200, body: { ...said, events: { days: 365 }, output: { days: 30 } } });
  const [record] = (await api.get('/v1/audit')).body.items;
  expect(record).toMatchObject({ action: 'retention.updated', detail: said });
  expect((await api.get('/v1/retention')).body).toMatchObject({
    ...said,
    audit: { oldest: expect.stringMatching(/Z$/) },
  });
  for (const [body, path] of [
    [{ ...said, eventsDays: 0 }, 'eventsDays'],
    [{ eventsDays: 1, outputDays: 1 }, 'auditDays'],
  ] as const) {
    expect(await api.once('PUT', '/v1/retention', body)).toMatchObject({ status: 422, body: { errors: [{ path }] } });
  }
});
