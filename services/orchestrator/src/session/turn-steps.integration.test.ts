// From step to step of a turn, with a model that asks for one use of a tool after the other: each step is begun beside the recording of
// what came before, is told of all of it, and says nothing before it.

import type { Event } from '@worktrail/proto/event';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { sampleCommand, sampleSession, sampleTurn } from '../../test/samples.ts';
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

const plans = 8;

/** What the model was told of tools, at each step. */
function planning(): string[][] {
  const told: string[][] = [];
  bed.model.answer = ({ step, results }) => {
    told.push(results);
    const calls =
      step <= plans ? [{ tool: 'update_plan', input: { items: [{ text: `${step}`, state: 'active' }] } }] : [];
    return { text: `Step ${step}.`, calls };
  };
  return told;
}

const ofCase = (events: Event[], type: string) => events.filter(({ payload }) => payload.case === type);

async function endedTurn(session: SessionClient): Promise<Event[]> {
  return await until(session.events, (events) => ofCase(events, 'turnEnded').length === 1);
}

/** Of each step nothing is there before the ends of the tools of the one before. */
function expectInOrder(events: Event[], turnId: string): void {
  const at = (producer: string) => events.flatMap((event, index) => (event.producer === producer ? [index] : []));
  for (let step = 2; step <= plans + 1; step++) {
    expect(Math.min(...at(`${turnId}-${step}`))).toBeGreaterThan(Math.max(...at(`${turnId}-${step - 1}-0`)));
  }
}

it('a step is scheduled with the recording of what came before, is told of it and comes after it', async () => {
  const told = planning();
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const turn = sampleTurn('plan');
  await session.say(turn);
  const events = await endedTurn(session);
  expectInOrder(events, turn.id);
  expect(told.map((results) => results.length)).toEqual(Array.from({ length: plans + 1 }, (_, step) => step));
  expect(told.flat().filter((result) => result !== '{}')).toEqual([]);

  const { events: history } = await session.handle.fetchHistory();
  const scheduled = history!.flatMap(({ activityTaskScheduledEventAttributes: of }) => (of ? [of] : []));
  const tasksOf = (name: string) =>
    scheduled
      .filter(({ activityType }) => activityType?.name === name)
      .map((of) => String(of.workflowTaskCompletedEventId));
  const recordings = new Set(tasksOf('recordSession'));
  expect(tasksOf('modelStep').filter((task) => recordings.has(task))).toHaveLength(plans + 1);
});

it('how a command ended is written down by the step that follows, before it asks', async () => {
  let told: string[] = [];
  bed.model.answer = ({ step, results }) => {
    told = results;
    return { text: '', calls: step <= plans ? [{ tool: 'run_command', input: { command: `exit ${step}` } }] : [] };
  };
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const turn = sampleTurn('run');
  await session.say(turn);
  const events = await endedTurn(session);
  expectInOrder(events, turn.id);
  expect(ofCase(events, 'toolEnded')).toHaveLength(plans);
  const exitCodes = told.map((result) => (JSON.parse(result) as { exitCode: number }).exitCode);
  expect(exitCodes).toEqual(Array.from({ length: plans }, (_, index) => index + 1));
  const { events: history } = await session.handle.fetchHistory();
  const scheduled = history!.map((of) => of.activityTaskScheduledEventAttributes?.activityType?.name);
  expect(scheduled).not.toContain('concludeCommand');
});

it('is taken up by an orchestrator that is started anew, with each step and each use of a tool once', async () => {
  const told = planning();
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const turn = sampleTurn('plan');
  await session.say(turn);
  await until(session.events, (events) => ofCase(events, 'messageAgent').length >= 2);
  await bed.stopOrchestrator();
  await bed.startOrchestrator();
  const events = await endedTurn(session);
  expectInOrder(events, turn.id);
  expect(ofCase(events, 'messageAgent')).toHaveLength(plans + 1);
  expect(ofCase(events, 'usage')).toHaveLength(plans + 1);
  expect(ofCase(events, 'toolEnded')).toHaveLength(plans);
  expect(told.at(-1)).toHaveLength(plans);
});

it('asks for a use of files whose sandbox is gone now and then, until what still runs in it has ended', async () => {
  bed.model.answer = ({ step }) => ({ text: '', calls: step === 1 ? [{ tool: 'list_files', input: {} }] : [] });
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const command = sampleCommand('hold', { background: true });
  await session.run(command);
  await until(async () => bed.runner.isHeld(command.id), Boolean);
  bed.runner.loseSandbox(session.spec.sessionId);
  await session.say(sampleTurn('look'));
  const asked = () => bed.runner.usedFiles.filter(({ input }) => input.sessionId === session.spec.sessionId);
  const [first, second] = await until(
    async () => asked(),
    ({ length }) => length >= 2,
  );
  expect(second!.atMs - first!.atMs).toBeGreaterThan(1_000);
  await bed.runner.release(command.id);
  await endedTurn(session);
  expect(asked().at(-1)!.input.generation).toBeGreaterThan(first!.input.generation);
  expect(asked().length).toBeLessThan(10);
});
