// Parts are killed while turns are at chosen moments, each of another session: every turn is done to its end, and nothing of it is done,
// said or billed twice.
//
// Some moments can be held: the model has been asked, has said half of its answer, a command runs. Others pass: those turns are let go
// shortly before the kill, each a while before that is drawn, which comes to lie anywhere between the end of an answer and the
// next question. The seed is told with what is found.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, type WorktrailClient } from '@worktrail/client';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRepository } from '../e2e/repository.ts';
import type { Violation } from './checks.ts';
import { createDraw } from './draw.ts';
import type { FaultProcess } from './faults.ts';
import { readFeeds } from './read-feeds.ts';
import {
  type Asked,
  modelEnvironment,
  type Moment,
  type ScriptedModel,
  startScriptedModel,
} from '@worktrail/testing/scripted-model';
import { startTarget, type Target } from './target.ts';
import { answerOf, isScripted, scriptOf, turnScript } from './turn-workload.ts';
import { checkTurns, type StartedTurn, startTurnWork, type TurnWork } from './turn-work.ts';

const seed = process.env['WORKTRAIL_TEST_SEED'] ?? String(Date.now() % 1_000_000);
const deadlineMs = 240_000;
/** Of those that pass: how long before the kill they are let go, at most. */
const passingMsMax = 250;

/** Where a turn is to be when the part is killed. */
type Place = { at: Exclude<Moment, 'answered'>; step: number; letGoMs: number | null } | { at: 'command' };

/** One for each session; `letGoMs`: how long before the kill, null: after it. */
function places(draw: ReturnType<typeof createDraw>): Place[] {
  const passing = (step: number): Place => ({ at: 'ending', step, letGoMs: draw.below(passingMsMax) });
  return draw.shuffle<Place>([
    { at: 'asked', step: draw.between(1, 5), letGoMs: null },
    { at: 'half', step: draw.between(1, 5), letGoMs: null },
    { at: 'command' },
    ...draw.shuffle([1, 2, 3, 4, 5]).slice(0, 3).map(passing),
  ]);
}

/** Turns that are held at their places. */
class Gates {
  readonly #gates = new Map<string, Gate>();
  open(text: string, place: Exclude<Place, { at: 'command' }>): Gate {
    const gate = { place, reached: Promise.withResolvers<void>(), go: Promise.withResolvers<void>() };
    this.#gates.set(text, gate);
    return gate;
  }
  async pass(moment: Moment, { text, step }: Asked): Promise<void> {
    const gate = this.#gates.get(text);
    if (!gate || gate.place.at !== moment || gate.place.step !== step) return;
    gate.reached.resolve();
    await gate.go.promise;
  }
}
interface Gate {
  place: Exclude<Place, { at: 'command' }>;
  reached: PromiseWithResolvers<void>;
  go: PromiseWithResolvers<void>;
}

const gates = new Gates();
let scratch: Scratch;
let model: ScriptedModel;
let target: Target;
let client: WorktrailClient;
let works: TurnWork[] = [];

beforeAll(async () => {
  scratch = await makeScratch('kill-in-turns');
  model = await startScriptedModel({
    answer: answerOf,
    isMessage: isScripted,
    at: (moment, asked) => gates.pass(moment, asked),
  });
  target = await startTarget(scratch.path, false, modelEnvironment(model.url));
  client = createClient({ apiUrl: target.apiUrl, apiKey: target.apiKey, attemptsMax: 200 });
  const repository = await makeRepository(join(target.repositoryRoot, 'turns'), 20);
  const project = await client.projects.create({ name: 'turns', repository: { url: repository.path } });
  const make = () => client.sessions.create(project.id, { title: 'turns' }, { waitSeconds: 280 });
  const sessions = await Promise.all(places(createDraw('count')).map(make));
  works = sessions.map(({ id }) => startTurnWork(client, target, id));
});

afterAll(async () => {
  await Promise.all(works.map(({ followers }) => followers.stop()));
  await target?.stopCluster();
  await target?.close();
  await model?.close();
  await scratch?.remove();
});

async function startTurn(work: TurnWork, place: Place, name: string, deadline: AbortSignal) {
  const own = `${work.sessionId.slice(-8)}-${name}`;
  const gateFile = place.at === 'command' ? `go-${name}` : undefined;
  const script = turnScript(own, gateFile === undefined ? {} : { gate: gateFile });
  const gate = place.at === 'command' ? null : gates.open(script.text, place);
  const begun = gate
    ? gate.reached.promise
    : work.followers.sse.until(({ type }) => type === 'command.output', deadline);
  const turn = await work.say(script, deadline);
  await begun;
  const letGo = async () => {
    gate?.go.resolve();
    if (gateFile === undefined) return;
    const touch = { command: `touch ${gateFile}`, stdin: '', background: true };
    await client.commands.run(work.sessionId, touch, { signal: deadline });
  };
  return { turn, letGo };
}

async function killAmidTurns(part: FaultProcess): Promise<Violation[]> {
  const draw = createDraw(`${seed}/${part}`);
  const deadline = AbortSignal.timeout(deadlineMs);
  const placed = places(draw);
  const started = await Promise.all(works.map((work, index) => startTurn(work, placed[index]!, part, deadline)));
  const early = placed.map((place) => (place.at === 'command' ? null : place.letGoMs));
  await Promise.all([
    delay(passingMsMax).then(() => target.kill(part)),
    ...started.map(async ({ letGo }, index) => {
      const before = early[index];
      if (typeof before !== 'number') return;
      await delay(passingMsMax - before);
      await letGo();
    }),
  ]);
  await Promise.all(started.filter((_, index) => typeof early[index] !== 'number').map(({ letGo }) => letGo()));
  await Promise.all(started.map(({ turn }, index) => works[index]!.untilEnded(turn, deadline)));
  const found: Violation[] = [];
  for (const [index, work] of works.entries()) found.push(...(await readTurn(work, started[index]!.turn, deadline)));
  return found;
}

async function readTurn(work: TurnWork, turn: StartedTurn, signal: AbortSignal): Promise<Violation[]> {
  const found: Violation[] = [];
  await readFeeds(client, work, found, signal);
  const { asked } = model;
  return [...found, ...(await checkTurns({ ...work, turns: [turn] }, { client, asked, mayFail: false, signal }))];
}

test.each(['orchestrator', 'sandbox-runner', 'trace-store', 'nats', 'gateway'] as const)(
  'after a kill of %s every turn is done to its end, and nothing of it twice',
  async (part) => {
    expect(await killAmidTurns(part), `WORKTRAIL_TEST_SEED=${seed}`).toEqual([]);
  },
  deadlineMs + 60_000,
);

test('the history of what came before is told to the model in every turn', () => {
  const last = model.asked.findLast(({ step }) => step === 1)!;
  const turnsBefore = 4;
  const told = scriptOf(last.text).answers.reduce((sum, { calls }) => sum + 1 + calls.length, 1);
  expect(last.messages).toBeGreaterThanOrEqual(turnsBefore * told);
});
