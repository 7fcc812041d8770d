import { create } from '@bufbuild/protobuf';
import { newId } from '@worktrail/contract/ids';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createDraw, newSeed } from '../draw.ts';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { addCheckpointRoutes, type CheckpointRouteDeps } from './checkpoint-routes.ts';

interface Asked {
  checkpointId: string;
  updateId: string | undefined;
}

/** One request and its repetitions; the workflow does as `make` says and its event passes at once. */
function bench(make: (asked: Asked) => Promise<unknown> = async () => ({})) {
  const principal = { id: 'prn_1', keyId: 'key_1', kind: 'user', organizationId: 'org_1', scopes: ['run'] };
  const session = { document: { id: newId('session'), state: 'ready' }, scope: { organizationId: 'org_1' } };
  const [seed, timeMs] = [newSeed(), Date.now()];
  const stored: Event[] = [];
  const passing: Event[] = [];
  const asked: Asked[] = [];
  let requests = 0;
  const api = createApi({
    gate: { authenticate: async () => principal } as never,
    idempotency: { run: (_request, work) => work(createDraw(seed, timeMs), requests++ > 0) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const update = async (_id: string, _update: string, [request]: [Asked], { updateId }: Pick<Asked, 'updateId'>) => {
    const { checkpointId } = request;
    asked.push({ checkpointId, updateId });
    const answer = await make({ checkpointId, updateId });
    const payload = { case: 'checkpointCreated' as const, value: { checkpointId, number: 1 } };
    const event = create(EventSchema, { payload });
    stored.push(event);
    passing.push(event);
    return answer;
  };
  const take = () => {
    const event = passing.shift();
    return event && { event, sequence: 7 };
  };
  const page = async () => ({
    events: stored.map((event) => ({ event, cursor: { epoch: 1, sequence: 7 } })),
    ...{ next: { epoch: 1, sequence: 7 }, complete: true },
  });
  addCheckpointRoutes(api, {
    sessions: { open: async () => session },
    runners: { checkAlive: async () => undefined },
    workflows: { update },
    history: { page },
    position: { lastCursor: async () => ({ epoch: 1, sequence: 1 }) },
    live: { subscribe: () => ({ take, isWhole: () => true, close: () => undefined }) },
    followers: { admit: () => () => undefined },
    stopping: new AbortController().signal,
  } as unknown as CheckpointRouteDeps);
  const path = `/v1/sessions/${session.document.id}/checkpoints`;
  const post = async () => {
    const answer = await api.app.request(path, { method: 'POST', headers: { 'idempotency-key': 'k' } });
    return { status: answer.status, body: (await answer.json()) as { id: string; cursor: string } };
  };
  return { post, asked };
}

test('a checkpoint is made by an update of its own id, and not asked for again once it is in the history', async () => {
  const { post, asked } = bench();
  const made = await post();
  expect(made).toMatchObject({ status: 201, body: { cursor: '1-7' } });
  expect(asked).toEqual([{ checkpointId: made.body.id, updateId: made.body.id }]);
  expect(await post()).toEqual(made);
  expect(asked).toHaveLength(1);
});

test('one that was refused is asked for by another update, for the same checkpoint', async () => {
  let isFull = true;
  const { post, asked } = bench(async () => {
    if (isFull) throw new Error('the store is full');
    return {};
  });
  expect((await post()).status).toBe(500);
  isFull = false;
  const made = await post();
  expect(made.status).toBe(201);
  expect(asked).toEqual([
    { checkpointId: made.body.id, updateId: made.body.id },
    { checkpointId: made.body.id, updateId: undefined },
  ]);
});
