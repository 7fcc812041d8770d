// A turn of an agent in the sandbox that ends without a word from its host: what the agent had begun has an end in the history, before the turn.

import type { Event } from '@worktrail/proto/event';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { sampleSession, sampleTurn } from '../../test/samples.ts';
import { runnerId } from '../../test/scripted-runner.ts';
import { type SessionClient, startSession, until } from '../../test/session-client.ts';

let servers: Servers;
let bed: OrchestratorBed;
beforeAll(async () => {
  servers = await startServers();
  bed = await startOrchestratorBed(servers, 0);
});
afterAll(async () => {
  await bed.stop();
  await servers.stop();
});

afterEach(() => {
  bed.runner.script.full = false;
});

/** A session whose agent has begun what its message says. */
async function atWork(text: string): Promise<{ session: SessionClient; turnId: string; generation: number }> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const turn = sampleTurn(text);
  await session.say({ ...turn, agent: { ...turn.agent, kind: 'custom', command: 'agent' } });
  await until(async () => bed.runner.agentTurns.some(({ turnId }) => turnId === turn.id), Boolean);
  return { session, turnId: turn.id, generation: (await session.describe()).generation };
}

async function toldOf(session: SessionClient, turnId: string): Promise<Event['payload'][]> {
  const isEnd = ({ payload }: Event) => payload.case === 'turnEnded';
  const events = await until(session.events, (all) => all.some((one) => one.turnId === turnId && isEnd(one)));
  return events.filter((event) => event.turnId === turnId).map(({ payload }) => payload);
}

function expectWhole(told: Event['payload'][], outcome: string): void {
  const kinds = told.map((payload) => payload.case ?? '');
  expect(kinds.filter((kind) => /^(tool|turnEnded)/.test(kind))).toEqual([
    'toolStarted',
    'toolStarted',
    'toolEnded',
    'toolEnded',
    'turnEnded',
  ]);
  const ended = told.flatMap((payload) => (payload.case === 'toolEnded' ? [payload.value] : []));
  expect(ended.map(({ failed }) => failed)).toEqual([false, true]);
  expect(new Set(ended.map(({ toolCallId }) => toolCallId)).size).toBe(2);
  expect(told.at(-1)).toMatchObject({ value: { outcome } });
}

it('is canceled after its host was lost, while the session has no place', async () => {
  const { session, turnId, generation } = await atWork('use');
  bed.runner.script.full = true;
  await session.loseHost({ runnerId, generation });
  await session.cancelTurn(turnId);
  expectWhole(await toldOf(session, turnId), 'canceled');
});

it('goes on where its agent is not', async () => {
  const { session, turnId, generation } = await atWork('use');
  await session.loseHost({ runnerId, generation });
  expectWhole(await toldOf(session, turnId), 'failed');
});

it('ends with its session', async () => {
  const { session, turnId, generation } = await atWork('use');
  bed.runner.failNextOpen('image_missing', 'there is no such image');
  await session.loseHost({ runnerId, generation });
  expectWhole(await toldOf(session, turnId), 'failed');
});

it('ends when its host cannot go on with it', async () => {
  const { session, turnId } = await atWork('use and break');
  expectWhole(await toldOf(session, turnId), 'failed');
});
