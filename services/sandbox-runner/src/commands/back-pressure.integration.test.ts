// A disk below its reserve: commands that print wait, nothing else does, and at the end everything is in the history.

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { activityRun, newCommand, newSession, outputOf, type RunnerBench, startRunnerBench } from '../runner-bench.ts';

const unackedBytesMax = 16 * 1024 * 1024;
/** Frames around the bytes, and the last read beyond the bound. */
const journalBytesMax = unackedBytesMax + 1024 * 1024;

let bench: RunnerBench;
let session: OpenSandboxInput;

beforeAll(async () => {
  bench = await startRunnerBench('pressure');
  session = newSession(bench);
  await bench.parts().sandboxes.open(session, new AbortController().signal);
});
afterEach(() => bench.setDiskFailure(null));
afterAll(() => bench.close());

const run = (input: RunCommandInput) => bench.parts().commands.run(input, activityRun());
const journalBytes = async ({ sessionId, command }: RunCommandInput) =>
  (await stat(join(bench.parts().directories.at(sessionId).runPath, 'journals', command.id)).catch(() => ({ size: 0 })))
    .size;

const printed = 40_000_000;
const printing = () => newCommand(session, `echo begun; yes 0123456 | head -c ${printed - 6}`);
const whole = createHash('sha256')
  .update(`begun\n${'0123456\n'.repeat(printed / 8)}`.slice(0, printed))
  .digest('hex');

/** Resolves when it has printed as much as it may without being acknowledged, and a command that came later has passed. */
async function untilWaiting(command: RunCommandInput): Promise<void> {
  while ((await journalBytes(command)) < unackedBytesMax) await delay(20);
  expect(await run(newCommand(session, 'echo short'))).toMatchObject({ outcome: 'exited', exitCode: 0 });
}

async function sumOf(command: RunCommandInput): Promise<string> {
  return createHash('sha256')
    .update(outputOf(await bench.events(command)))
    .digest('hex');
}

test('while the disk is below its reserve a command stops at its bound, and goes on to its end when there is room', async () => {
  await bench.setDiskFailure('1 MiB is free');
  const command = printing();
  const result = run(command);
  await untilWaiting(command);
  expect(await journalBytes(command)).toBeLessThan(journalBytesMax);
  await bench.setDiskFailure(null);
  expect(await result).toMatchObject({ outcome: 'exited', stdoutBytes: printed });
  expect(await sumOf(command)).toBe(whole);
});

test('a command that waits for room can be canceled', async () => {
  await bench.setDiskFailure('1 MiB is free');
  const command = printing();
  const result = run(command);
  await untilWaiting(command);
  expect(await run({ ...command, cancelReason: 'enough' })).toMatchObject({ outcome: 'canceled', reason: 'enough' });
  const { stdoutBytes } = await result;
  expect(stdoutBytes).toBeLessThan(journalBytesMax);
  expect(outputOf(await bench.events(command))).toHaveLength(stdoutBytes);
});

test('a command that waits for room goes on when the runner was killed meanwhile, though all it printed is published', async () => {
  await bench.setDiskFailure('1 MiB is free');
  const command = printing();
  const first = run(command).catch((error: unknown) => error);
  await untilWaiting(command);
  while (outputOf(await bench.events(command)).length < unackedBytesMax) await delay(50);
  await bench.restart();
  await first;
  const result = run(command);
  await untilWaiting(command);
  expect(await journalBytes(command)).toBeLessThan(journalBytesMax);
  await bench.setDiskFailure(null);
  expect(await result).toMatchObject({ outcome: 'exited', stdoutBytes: printed });
  expect(await sumOf(command)).toBe(whole);
});
