import { expect, test } from 'vitest';
import { addDifference, cpuMs, cpuMsOf, parseCpuMs } from './cpu-time.ts';

test('the time of a process is its own and that of its ended children, whatever its name holds', () => {
  const fields = ['S', ...Array.from({ length: 10 }, () => '9'), '1', '20', '300', '4000', '7', '7'];
  expect(parseCpuMs(`42 (a) S (b c) ${fields.join(' ')}`)).toBe(43_210);
});

test('a process that computes has more of it', async () => {
  const before = await cpuMs(process.pid);
  for (const begun = process.cpuUsage(); process.cpuUsage(begun).user < 100_000; );
  expect(await cpuMs(process.pid)).toBeGreaterThan(before);
});

test('differences add up by name', async () => {
  const sum = { here: 1 };
  addDifference(sum, { here: 10 }, { here: 15, new: 3 });
  expect(sum).toEqual({ here: 6, new: 3 });
  expect(Object.keys(await cpuMsOf({ twice: [process.pid, process.pid] }))).toEqual(['twice']);
});
