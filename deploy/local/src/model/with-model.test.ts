import { expect, test } from 'vitest';
import type { ClusterPlan } from '../cluster-plan.ts';
import { startScriptedModel } from './scripted-model.ts';
import { withModel } from './with-model.ts';

async function chosenFor(env: NodeJS.ProcessEnv, model: { url: string | null; default: string | null }) {
  const stops: (() => Promise<void>)[] = [];
  const plan = { env: { PATH: '/bin', ...env }, model: { ...model, models: {} } } as unknown as ClusterPlan;
  const chosen = await withModel(plan, (stop) => stops.push(stop));
  for (const stop of stops) await stop();
  return { env: chosen.plan.env, kind: chosen.model.kind, started: stops.length };
}

test('a cluster without a model is given the scripted one', async () => {
  expect(await chosenFor({}, { url: null, default: null })).toEqual({
    env: {
      PATH: '/bin',
      WORKTRAIL_MODEL_URL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1$/),
      WORKTRAIL_MODEL_DEFAULT: 'custom/scripted',
    },
    kind: 'scripted',
    started: 1,
  });
});

test('one whose operator has named a model is left as it is', async () => {
  const named = { url: 'http://127.0.0.1:1/v1', default: 'custom/mine' };
  expect(await chosenFor({}, named)).toEqual({ env: { PATH: '/bin' }, kind: 'named', started: 0 });
});

test("one with a server of models is given its first, one with a key the provider's", async () => {
  const server = await startScriptedModel();
  try {
    const own = await chosenFor({}, { url: server.url, default: null });
    expect(own).toMatchObject({ kind: 'chosen', started: 0 });
    expect(own.env['WORKTRAIL_MODEL_DEFAULT']).toMatch(/^custom\/./);
  } finally {
    await server.stop();
  }
  const byKey = await chosenFor({ GOOGLE_API_KEY: 'k' }, { url: null, default: null });
  expect(byKey.env['WORKTRAIL_MODEL_DEFAULT']).toMatch(/^google\/./);
});
