// One command, and a runner that is killed at a point of its life: it is started once, and every byte is in the history once.

import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { workspacePath } from '@worktrail/contract/environment-variables';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import type { Event } from '@worktrail/proto/event';
import { toolPath } from '@worktrail/testing/tool-paths';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityRun, newCommand, newSession, outputOf, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { openSupervisorLink, type SupervisorLink } from '../supervision/supervisor-link.ts';

let bench: RunnerBench;
let session: OpenSandboxInput;
const { signal } = new AbortController();

beforeAll(async () => {
  bench = await startRunnerBench('life');
  session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
});
afterAll(() => bench.close());

const run = (input: RunCommandInput) => bench.parts().commands.run(input, activityRun());
const runPath = () => bench.parts().directories.at(session.sessionId).runPath;
const cases = (events: readonly Event[]) => events.map((event) => event.payload.case);
const wholeLife = ['commandQueued', 'commandStarted', 'commandOutput', 'commandEnded'];

async function untilEvent(input: RunCommandInput, found: (events: Event[]) => boolean): Promise<void> {
  while (!found(await bench.events(input))) await delay(20);
}

/** Prints how often it was started. */
function counting(): RunCommandInput {
  const input = newCommand(session, '');
  const { id } = input.command;
  return { ...input, command: { ...input.command, command: `echo x >> ${id}; wc -l < ${id}` } };
}

function requestOf({ command }: RunCommandInput) {
  const argv = ['/bin/sh', '-c', command.command];
  return { id: command.id, argv, env: { PATH: '/usr/bin:/bin' }, cwd: workspacePath };
}

/** What a runner did before it was killed. */
async function asKilledRunner(work: (link: SupervisorLink) => Promise<unknown>, lines = true): Promise<void> {
  const link = openSupervisorLink({ runDirectory: runPath(), ...(!lines && { send: async () => undefined }) });
  await work(link);
  link.close();
  await bench.restart();
}

test('killed before the line that starts it was sent, a command is started by the next runner, once', async () => {
  const command = counting();
  const start = (link: SupervisorLink) => link.start(requestOf(command), { timeoutMs: 50 }).catch(() => undefined);
  await asKilledRunner(start, false);
  expect(await readdir(join(runPath(), 'requests'))).toContain(command.command.id);
  expect(await run(command)).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(command)).toString()).toBe('1\n');
  expect(cases(await bench.events(command))).toEqual(wholeLife);
});

test.each([
  ['once its journal has a header', async () => undefined],
  [
    'once it has ended, with nothing of it published',
    async (link: SupervisorLink, id: string) => {
      for await (const frame of link.follow(id)) if (frame.type === 'end') return;
    },
  ],
])('killed %s, a command is attached to and published whole, once', async (_when, wait) => {
  const command = counting();
  await asKilledRunner(async (link) => {
    await link.start(requestOf(command));
    await wait(link, command.command.id);
  });
  expect(await run(command)).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(command)).toString()).toBe('1\n');
  expect(cases(await bench.events(command))).toEqual(wholeLife);
});

test('killed between the end in the history and its own record of it, a runner finds the end there and writes nothing', async () => {
  const command = newCommand(session, 'echo ready; while [ ! -e finish ]; do sleep 0.02; done; exit 4');
  const id = command.command.id;
  const result = run(command);
  await untilEvent(command, (events) => cases(events).includes('commandOutput'));
  await cp(join(runPath(), 'requests', id), join(runPath(), 'requests', 'kept'));
  await cp(join(runPath(), 'journals', id), join(runPath(), 'journals', 'kept'));
  await run(newCommand(session, 'touch finish'));
  const known = await result;
  await bench.parts().commands.find(id)?.settled;
  for (const part of ['requests', 'journals']) await cp(join(runPath(), part, 'kept'), join(runPath(), part, id));
  await rm(join(bench.parts().directories.at(session.sessionId).path, 'results', id));
  await bench.restart();
  const before = await bench.events(command);
  expect(await run(command)).toEqual(known);
  expect(await bench.events(command)).toEqual(before);
  expect(cases(before)).toEqual(wholeLife);
});

test('killed again and again while it prints, runners publish every line once and in order', async () => {
  const command = newCommand(session, 'for i in $(seq 1 400); do echo "line $i"; sleep 0.005; done');
  let seen = 0;
  for (let kills = 0; kills < 4; kills += 1) {
    const attempt = run(command).catch((error: unknown) => error);
    await untilEvent(command, (events) => events.length > seen + 2);
    await bench.restart();
    await attempt;
    seen = (await bench.events(command)).length;
  }
  expect(await run(command)).toMatchObject({ outcome: 'exited', exitCode: 0 });
  const lines = Array.from({ length: 400 }, (_, index) => `line ${index + 1}\n`).join('');
  expect(outputOf(await bench.events(command)).toString()).toBe(lines);
});

test('a command whose container is started anew is lost, and asked for again it does not run in the new one', async () => {
  const own = newSession(bench);
  const { baseCommit } = await bench.parts().sandboxes.open(own, signal);
  const command = newCommand(own, 'echo x >> runs; echo written; sleep 60');
  const result = run(command);
  await untilEvent(command, (events) => cases(events).includes('commandOutput'));
  const container = (await bench.parts().driver.listContainers(own.sessionId))[0]!;
  const docker = new Docker({ socketPath: toolPath('WORKTRAIL_DOCKER_SOCKET') });
  await docker.getContainer(container.id).kill();
  await docker.getContainer(container.id).start();
  expect(await result).toMatchObject({ outcome: 'sandbox_lost', stdoutBytes: 8 });
  await bench.restart();
  expect(await run(command)).toMatchObject({ outcome: 'sandbox_lost', stdoutBytes: 8 });
  expect(cases(await bench.events(command))).toEqual(wholeLife);
  const restore = { baseCommit, checkpoint: null, bundles: [], archive: null };
  const reopened = { ...own, generation: 2, filesGeneration: 1, restore };
  await bench.parts().sandboxes.open(reopened, signal);
  expect(await run(newCommand(reopened, '[ "$(cat runs)" = x ]'))).toMatchObject({ exitCode: 0 });
});

test.each([
  ['it itself', 'exec tail /dev/zero', { signal: 'SIGKILL' }],
  ['a child of its shell', 'tail /dev/zero; exit $?', { exitCode: 137 }],
])('a command is oom_killed where the memory limit of its sandbox ended %s', async (_what, text, how) => {
  const environment = { ...session.environment, resources: { ...session.environment.resources, memoryMb: 64 } };
  const own = { ...newSession(bench), environment };
  await bench.parts().sandboxes.open(own, signal);
  expect(await run(newCommand(own, text))).toMatchObject({ outcome: 'oom_killed', ...how });
  expect(await run(newCommand(own, 'kill -9 $$'))).toMatchObject({ outcome: 'signaled', signal: 'SIGKILL' });
  expect(await run(newCommand(own, "sh -c 'kill -9 $$'; exit $?"))).toMatchObject({
    outcome: 'exited',
    exitCode: 137,
  });
  await bench.parts().sandboxes.remove(own);
});
