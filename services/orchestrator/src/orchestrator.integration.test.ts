import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../test/orchestrator-bed.ts';
import { sampleCommand, sampleSession } from '../test/samples.ts';
import { startSession, until } from '../test/session-client.ts';

describe('the orchestrator', () => {
  let servers: Servers;
  let bed: OrchestratorBed;
  beforeAll(async () => {
    servers = await startServers();
    bed = await startOrchestratorBed(servers, 1_000);
  });
  afterAll(async () => {
    await bed.stop();
    await servers.stop();
  });

  const get = (path: string) => fetch(`http://127.0.0.1:${bed.port}${path}`);
  const readyParts = async () => ((await (await get('/readyz')).json()) as { parts: object }).parts;

  it('is ready when Temporal, NATS, its buckets and its worker are', async () => {
    const response = await get('/readyz');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      ready: true,
      parts: { nats: { ok: true }, kv: { ok: true }, temporal: { ok: true }, worker: { ok: true } },
    });
  });

  it('measures how long recording takes', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    await until(session.stored, (document) => document?.state === 'ready');
    expect(await (await get('/metrics')).text()).toMatch(
      /worktrail_record_seconds_count{.*activity="recordSession".*result="ok".*} [1-9]/,
    );
  });

  it('runs commands while NATS is away, names it, and records all of it afterwards', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    await until(session.stored, (document) => document?.state === 'ready');
    await servers.nats.kill();
    await until(readyParts, (parts) => JSON.stringify(parts).includes('"nats":{"ok":false'));
    const command = sampleCommand('hold');
    expect(await session.run(command)).toEqual({ state: 'running' });
    await until(async () => bed.runner.isHeld(command.id), Boolean);
    expect((await get('/readyz')).status).toBe(503);

    await servers.nats.restart();
    const answers = () => session.stored().then(Boolean, () => false);
    await until(answers, Boolean);
    await bed.runner.release(command.id);
    await session.untilEnded(command.id);
    const history = await until(session.history, (all) => all.filter((type) => type === 'sessionReady').length === 2);
    expect(history.filter((type) => type !== 'checkpointCreated')).toEqual([
      'sessionCreated',
      'sessionPlaced',
      'sessionReady',
      'sessionBusy',
      'sessionReady',
    ]);
    await until(readyParts, (parts) => !JSON.stringify(parts).includes('"ok":false'));
  });

  it('says that it lives while it waits to record, so that one which was killed is replaced within seconds', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    await until(session.stored, (document) => document?.checkpoint !== null);
    await servers.nats.kill();
    // Answered once it is recorded.
    const patched = session.patch({ title: 'Changed' });
    const pending = async () => (await session.handle.describe()).raw.pendingActivities ?? [];
    const beaten = await until(pending, ([activity]) => Boolean(activity?.lastHeartbeatTime));
    expect(beaten.map(({ activityType, attempt }) => [activityType?.name, attempt])).toEqual([['recordSession', 1]]);
    await servers.nats.restart();
    expect((await patched).title).toBe('Changed');
    const { events } = await session.handle.fetchHistory();
    const recording = events!
      .map((event) => event.activityTaskScheduledEventAttributes)
      .filter((attributes) => attributes?.activityType?.name === 'recordSession');
    expect(recording.map((attributes) => Number(attributes?.heartbeatTimeout?.seconds))).toEqual(
      recording.map(() => 5),
    );
  });

  it('goes on when it is stopped and started again', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    const command = sampleCommand('hold');
    await session.run(command);
    await until(async () => bed.runner.isHeld(command.id), Boolean);
    await bed.askHealth();
    await bed.stopOrchestrator();
    await expect(bed.askHealth()).rejects.toThrow();
    await bed.runner.release(command.id);
    await bed.startOrchestrator();
    await until(
      () =>
        bed.askHealth().then(
          () => true,
          () => false,
        ),
      Boolean,
    );
    await session.untilState('ready');
    const next = sampleCommand('exit 0');
    await session.run(next);
    await session.untilEnded(next.id);
    await session.untilEnded(command.id);
  });
});
