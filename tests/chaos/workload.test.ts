import { expect, test } from 'vitest';
import { commandLine, expectedFiles, expectedOutput, planWork } from './workload.ts';

test('the same seed gives the same work', () => {
  expect(planWork('a', 5_000)).toEqual(planWork('a', 5_000));
  expect(planWork('a', 5_000)).not.toEqual(planWork('b', 5_000));
});

test('every line is numbered and carries a checksum over all numbers before it', () => {
  const task = planWork('a', 5_000)[0]!.tasks[0]!;
  const lines = expectedOutput(task).toString().split('\n');
  expect(lines).toHaveLength(task.lines + 1);
  expect(lines[0]).toMatch(new RegExp(`^${task.name} 1 1 \\.+$`));
  expect(lines[1]).toMatch(new RegExp(`^${task.name} 2 33 \\.+$`));
  expect(new Set(lines).size).toBe(lines.length);
});

test('a command names its files apart from every other command of its session', () => {
  for (const { first, tasks, naps } of planWork('a', 5_000)) {
    const paths = [first, ...tasks, ...naps].flatMap((task) => expectedFiles(task).map(({ path }) => path));
    expect(new Set(paths).size).toBe(paths.length);
  }
});

test('a command line holds its program as one quoted word', () => {
  const task = planWork('a', 5_000)[0]!.tasks[0]!;
  expect(commandLine(task).split("'")).toHaveLength(3);
});
