import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { sampleCommand, sampleSession } from '../../test/samples.ts';
import { startSession } from '../../test/session-client.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

describe.each([
  { name: 'a worker that keeps workflows in memory', cachedWorkflowsMax: 1_000 },
  { name: 'a worker that replays each task', cachedWorkflowsMax: 0 },
])('a session on $name', ({ cachedWorkflowsMax }) => {
  let bed: OrchestratorBed;
  beforeAll(async () => {
    bed = await startOrchestratorBed(servers, cachedWorkflowsMax);
  });
  afterAll(() => bed.stop());

  it('is created, becomes ready, runs a command and is archived', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    const command = sampleCommand('exit 0');

    expect(await session.run(command)).toEqual({ state: 'running' });
    const end = await session.untilEnded(command.id);
    expect(end.number).toBe(3n);

    expect((await session.archive()).state).toBe('archived');
    await session.handle.result();
    expect(await session.history()).toEqual(['sessionCreated', 'sessionPlaced', 'sessionReady', 'sessionArchived']);
    expect((await session.stored())?.state).toBe('archived');
    expect(bed.runner.removed.map(({ sessionId }) => sessionId)).toContain(session.spec.sessionId);
  });

  it('schedules a command in the very workflow task in which it was accepted', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    const command = sampleCommand('exit 0');
    await session.run(command);
    await session.untilEnded(command.id);

    const { events } = await session.handle.fetchHistory();
    const scheduled = events!.find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'runCommand',
    );
    const accepted = events!.find((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
    const task = scheduled!.activityTaskScheduledEventAttributes!.workflowTaskCompletedEventId;
    expect(Number(accepted!.eventId)).toBeGreaterThan(Number(task));
    expect(Number(accepted!.eventId)).toBeLessThan(Number(scheduled!.eventId));
    await session.archive();
  });
});
