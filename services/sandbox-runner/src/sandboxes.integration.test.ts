import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityRun, newCommand, newSession, outputOf, type RunnerBench, startRunnerBench } from './runner-bench.ts';

let bench: RunnerBench;
beforeAll(async () => {
  bench = await startRunnerBench('sandboxes');
}, 60_000);
afterAll(() => bench.close(), 60_000);

const { signal } = new AbortController();

test('a session opens on its own branch at the newest main and runs a command whose events are in the stream', async () => {
  const session = newSession(bench);
  const opened = await bench.parts().sandboxes.open(session, signal);
  const main = (await bench.git(['rev-parse', 'main'])).trim();
  expect(opened).toEqual({ from: 'new', baseCommit: main, headCommit: main });

  const command = newCommand(session, 'git status --short --branch; cat README.md; id -u; echo $HOME');
  const result = await bench.parts().commands.run(command, activityRun());
  expect(result).toMatchObject({ outcome: 'exited', exitCode: 0, stderrBytes: 0 });
  const events = await bench.events(command);
  const cases = events.map((event) => event.payload.case);
  expect(cases.slice(0, 3)).toEqual(['commandQueued', 'commandStarted', 'commandOutput']);
  expect(cases.at(-1)).toBe('commandEnded');
  expect(events.map((event) => Number(event.number))).toEqual(events.map((_, index) => index + 1));
  expect(outputOf(events).toString()).toBe(`## ${session.branch}\n# upstream\n1000\n/home/worktrail\n`);
}, 60_000);
