// Commands whose output is above its limit and whose end is kept: what their history holds, whoever is killed meanwhile.

import { setTimeout as delay } from 'node:timers/promises';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { type Event, Stream } from '@worktrail/proto/event';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  activityRun,
  newCommand,
  newSession,
  plainEnvironment,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';

let bench: RunnerBench;
let session: OpenSandboxInput;
const { signal } = new AbortController();

beforeAll(async () => {
  bench = await startRunnerBench('overflow');
  session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
});
afterAll(() => bench.close());

const run = (input: RunCommandInput) => bench.parts().commands.run(input, activityRun());
const outputBytesMax = 40_000;
const keptBytes = outputBytesMax / 2;

function overflowing(text: string, own = session): RunCommandInput {
  const resources = { ...plainEnvironment.resources, outputBytesMax, outputOverflow: 'keep_tail' as const };
  return { ...newCommand(own, text), environment: { ...plainEnvironment, resources } };
}

const outputBytes = (events: readonly Event[]) =>
  events.reduce((sum, { payload }) => sum + (payload.case === 'commandOutput' ? payload.value.bytes.length : 0), 0);

async function untilEvents(input: RunCommandInput, found: (events: Event[]) => boolean): Promise<void> {
  while (!found(await bench.events(input))) await delay(20);
}

interface Told {
  /** What the events say in order: ranges of positions, and what is no output. */
  order: (string | [number, number])[];
  stdout: string;
}

/** Output at its place; what was not kept as dots. */
function tell(events: readonly Event[]): Told {
  const order: Told['order'] = [];
  let stdout = '';
  for (const { payload } of events) {
    if (payload.case === 'commandOutput') {
      const { stream, bytes, offset } = payload.value;
      const position = Number(payload.value.position);
      const last = order.at(-1);
      if (typeof last === 'object' && last[1] === position) last[1] += bytes.length;
      else order.push([position, position + bytes.length]);
      if (stream === Stream.STDOUT) stdout = stdout.padEnd(Number(offset), '.') + Buffer.from(bytes).toString();
    } else if (payload.case === 'gap') {
      const { fromPosition, toPosition, reason } = payload.value;
      order.push(`gap ${fromPosition}-${toPosition} ${reason}`);
    } else {
      order.push(payload.case ?? 'none');
    }
  }
  return { order, stdout };
}

/** What the history of `bytes` bytes on stdout is, after which it goes on. */
const expectedOrder = (bytes: number): Told['order'] => [
  'commandQueued',
  'commandStarted',
  [0, keptBytes],
  `gap ${keptBytes}-${bytes - keptBytes} output_limit`,
  [bytes - keptBytes, bytes],
  'commandEnded',
];

function expectedText(text: string): string {
  const dots = '.'.repeat(text.length - 2 * keptBytes);
  return text.slice(0, keptBytes) + dots + text.slice(-keptBytes);
}

test('a command above its limit ends by itself, and its history has the beginning, one gap, the end, and the totals', async () => {
  const text = Array.from({ length: 30_000 }, (_, index) => `${index + 1}\n`).join('');
  const command = overflowing('seq 30000; exit 3');
  expect(await run(command)).toMatchObject({ outcome: 'exited', exitCode: 3, stdoutBytes: text.length });
  const told = tell(await bench.events(command));
  expect(told.order).toEqual(expectedOrder(text.length));
  expect(told.stdout).toBe(expectedText(text));
});

test('a runner that is killed while the output is above its limit publishes the gap once and the end whole', async () => {
  const text = Array.from({ length: 30_000 }, (_, index) => `${index + 1}\n`).join('');
  const command = overflowing('seq 15000; while [ ! -e go ]; do sleep 0.02; done; seq 15001 30000');
  const first = run(command).catch((error: unknown) => error);
  await untilEvents(command, (events) => outputBytes(events) === keptBytes);
  await bench.restart();
  await first;
  const second = run(command);
  await run(newCommand(session, 'touch go'));
  expect(await second).toMatchObject({ outcome: 'exited', stdoutBytes: text.length });
  const told = tell(await bench.events(command));
  expect(told.order).toEqual(expectedOrder(text.length));
  expect(told.stdout).toBe(expectedText(text));
});

test('a command whose sandbox is killed above the limit ends as lost with what was kept, and says that its end is not', async () => {
  const own = newSession(bench);
  const { sandboxes, driver } = bench.parts();
  await sandboxes.open(own, signal);
  const command = overflowing('seq 15000; sleep 60', own);
  const result = run(command);
  await untilEvents(command, (events) => outputBytes(events) === keptBytes);
  const container = (await driver.listContainers()).find((one) => one.sessionId === own.sessionId)!;
  await driver.removeContainer(container.id);
  expect(await result).toMatchObject({ outcome: 'sandbox_lost', stdoutBytes: keptBytes });
  expect((await result).reason).toContain('the end of its output');
  expect(tell(await bench.events(command)).order).toEqual([
    'commandQueued',
    'commandStarted',
    [0, keptBytes],
    'commandEnded',
  ]);
});
