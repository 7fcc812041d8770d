import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PROCESS_NAMES } from './process-names.ts';
import { endLeftovers, leftoverWaves, readRunRecord, writeRunRecord } from './run-record.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-record-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('services end before the servers they use, and the engine last', () => {
  expect(leftoverWaves([...PROCESS_NAMES])).toEqual([
    ['trace-store', 'orchestrator', 'sandbox-runner', 'gateway'],
    ['nats', 'temporal'],
    ['dockerd'],
  ]);
  expect(leftoverWaves(['dockerd'])).toEqual([['dockerd']]);
});

test('a process that has the recorded pid but started later is left alone', async () => {
  const other = { pid: process.pid, startTicks: 1 };
  expect(await endLeftovers({ supervisor: other, processes: { nats: other } })).toEqual([]);
});

test('a record reads as it was written, and a broken one as none', async () => {
  const path = join(directory, 'supervisor.json');
  const record = { supervisor: { pid: 7, startTicks: 8 }, processes: { nats: { pid: 9, startTicks: 10 } } };
  await writeRunRecord(path, record);
  expect(await readRunRecord(path)).toEqual(record);
  await writeFile(path, '{"supervisor": ');
  expect(await readRunRecord(path)).toBeNull();
});
