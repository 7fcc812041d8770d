import { CommandOutcome } from '@worktrail/proto/event';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../test/orchestrator-bed.ts';
import { sampleCommand, sampleSession } from '../test/samples.ts';
import { startSession, until } from '../test/session-client.ts';

const patienceMs = 120_000;

describe('a runner that is not heard of any more', () => {
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

  it('loses its sessions to another one: those that are open, and those that are to be resumed', async () => {
    const dying = await bed.startRunner('runner-dying');
    bed.runner.script.full = true;
    const [open, asleep] = [await startSession(bed, sampleSession()), await startSession(bed, sampleSession())];
    for (const session of [open, asleep]) {
      await session.untilState('ready');
      await until(session.stored, (document) => document?.checkpoint !== null);
    }
    await asleep.hibernate();
    const command = sampleCommand('hold');
    await open.run(command);
    await until(async () => dying.isHeld(command.id), Boolean);
    bed.runner.script.full = false;
    await dying.stop();

    const end = await until(
      open.events,
      (events) => events.some(({ payload }) => payload.case === 'commandEnded'),
      patienceMs,
    );
    expect(end.find(({ payload }) => payload.case === 'commandEnded')!.payload.value).toMatchObject({
      outcome: CommandOutcome.HOST_LOST,
    });
    expect((await asleep.describe()).runnerId).toBe('runner-dying');
    await asleep.resume();
    for (const session of [open, asleep]) {
      const document = await until(session.describe, ({ state }) => state === 'ready', patienceMs);
      expect(document.runnerId).toBe('runner-scripted');
    }
  });

  it('is not taken for lost while nobody can be heard', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    await until(session.stored, (document) => document?.checkpoint !== null);
    await servers.nats.kill();
    // Longer than an announcement lives.
    await new Promise((resolve) => setTimeout(resolve, 25_000));
    await servers.nats.restart();
    const answers = () =>
      session.stored().then(
        () => true,
        () => false,
      );
    await until(answers, Boolean);
    const command = sampleCommand('exit 0');
    await session.run(command);
    const events = () => session.events().catch(() => []);
    await until(events, (all) => all.some(({ commandId }) => commandId === command.id), patienceMs);
    expect((await session.describe()).generation).toBe(1);
  });
});
