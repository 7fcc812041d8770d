import { create } from '@bufbuild/protobuf';
import { newId } from '@worktrail/contract/ids';
import type { RevertSessionRequest } from '@worktrail/contract/session-messages';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createDraw, newSeed } from '../draw.ts';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { notFound } from '../problem.ts';
import { addRevertRoutes, type RevertRouteDeps } from './revert-routes.ts';

const to = { id: newId('checkpoint'), number: 2, commit: 'c', tree: 't' };

/** One request and its repetitions; the workflow does as `make` says, and its events pass at once. */
function bench(make: () => Promise<void> = async () => undefined) {
  const principal = { id: 'prn_1', keyId: 'key_1', kind: 'user', organizationId: 'org_1', scopes: ['run'] };
  const session = { document: { id: newId('session'), state: 'ready' }, scope: { organizationId: 'org_1' } };
  const [seed, timeMs] = [newSeed(), Date.now()];
  const stored: Event[] = [];
  const passing: Event[] = [];
  const asked: (RevertSessionRequest & { updateId: string | undefined })[] = [];
  let requests = 0;
  const api = createApi({
    gate: { authenticate: async () => principal } as never,
    idempotency: { run: (_request, work) => work(createDraw(seed, timeMs), requests++ > 0) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const update = async (
    _id: string,
    _update: string,
    [request]: [RevertSessionRequest],
    { updateId }: { updateId?: string },
  ) => {
    asked.push({ ...request, updateId });
    await make();
    const { checkpointId: id } = request;
    const made = { exact: true, notTouched: ['ignored'], notRestored: [], removed: [] };
    const value = { ...made, checkpointId: to.id, checkpointNumber: 2, newCheckpointId: id, newCheckpointNumber: 5 };
    stored.push(
      create(EventSchema, { payload: { case: 'checkpointCreated', value: { checkpointId: id, number: 5 } } }),
      create(EventSchema, { payload: { case: 'sessionReverted', value } }),
    );
    passing.push(...stored);
    return { ...made, checkpoint: { id, number: 5 } };
  };
  const take = () => {
    const event = passing.shift();
    return event && { event, sequence: 7 };
  };
  const page = async (_scope: unknown, { types }: { types: string[] }) => ({
    events: stored
      .filter(({ payload }) =>
        types.includes(payload.case === 'sessionReverted' ? 'session.reverted' : 'checkpoint.created'),
      )
      .map((event) => ({ event, cursor: { epoch: 1, sequence: 7 } })),
    ...{ next: { epoch: 1, sequence: 7 }, complete: true },
  });
  addRevertRoutes(api, {
    sessions: { open: async () => session },
    runners: { checkAlive: async () => undefined },
    workflows: { update },
    history: { page },
    position: { lastCursor: async () => ({ epoch: 1, sequence: 1 }) },
    live: { subscribe: () => ({ take, isWhole: () => true, close: () => undefined }) },
    followers: { admit: () => () => undefined },
    files: {
      tree: async (_document: unknown, name: string) => {
        if (name !== to.id) throw notFound(name);
        return to;
      },
    },
    stopping: new AbortController().signal,
  } as unknown as RevertRouteDeps);
  const post = async (body: object = { checkpointId: to.id }) => {
    const answer = await api.app.request(`/v1/sessions/${session.document.id}/revert`, {
      method: 'POST',
      headers: { 'idempotency-key': 'k' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return { post, asked };
}

test('a revert is one update of the id of the checkpoint that it becomes, and is not asked for again once it is in the history', async () => {
  const { post, asked } = bench();
  const made = await post();
  expect(made).toMatchObject({
    status: 200,
    body: { number: 5, cursor: '1-7', revertedTo: { id: to.id, number: 2 }, exact: true, notTouched: ['ignored'] },
  });
  const checkpointId = made.body['id'];
  const actor = { kind: 'user', id: 'prn_1' };
  expect(asked).toEqual([{ checkpointId, to, force: false, actor, updateId: checkpointId }]);
  expect(await post()).toEqual(made);
  expect(asked).toHaveLength(1);
});

test('one whose answer was lost or refused is asked for again as the same revert', async () => {
  let isBusy = true;
  const { post, asked } = bench(async () => {
    if (isBusy) throw new Error('busy');
  });
  expect((await post()).status).toBe(500);
  isBusy = false;
  expect((await post()).status).toBe(200);
  expect(asked.map(({ updateId }) => updateId)).toEqual([asked[0]!.checkpointId, undefined]);
  expect(asked[1]!.checkpointId).toBe(asked[0]!.checkpointId);
});

test('what is no checkpoint of the session, or no checkpoint at all, is not asked of its workflow', async () => {
  const { post, asked } = bench();
  expect(await post({ checkpointId: newId('checkpoint') })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect(await post({ checkpointId: 'x' })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'checkpointId' }] },
  });
  expect(await post({ checkpointId: to.id, force: 1 })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'force' }] },
  });
  expect(asked).toEqual([]);
});
