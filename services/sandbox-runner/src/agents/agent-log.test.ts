// What a runner has done with an agent, read by the next one.

import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { agentLogPath, openAgentLog } from './agent-log.ts';

let scratch: Scratch;
beforeEach(async () => {
  scratch = await makeScratch('agent-log');
});
afterEach(() => scratch.remove());

const begun = { bootId: 'b', processId: 'p', time: '2026-01-01T00:00:00.000Z' };
const read = { case: 'fileRead', value: { path: 'a', offset: 0n, length: 12n } } as const;

test('what was written is found again, wherever the last line was cut off', async () => {
  const log = openAgentLog(scratch.path, 'trn_1');
  log.add({ begun });
  log.add({ upTo: 10, events: [{ time: begun.time, payload: read }] });
  log.add({ upTo: 20, served: { key: 'k', answer: 'a' } });
  log.close();
  const path = agentLogPath(scratch.path, 'trn_1');
  const whole = await readFile(path);
  const last = whole.lastIndexOf(10, whole.length - 2) + 1;
  for (let length = last; length <= whole.length; length += 1) {
    await writeFile(path, whole.subarray(0, length));
    const again = openAgentLog(scratch.path, 'trn_1');
    expect(again).toMatchObject({ begun, events: [{ time: begun.time, payload: read }] });
    expect([again.upTo, again.answerTo('k')]).toEqual(length === whole.length ? [20, 'a'] : [10, undefined]);
    again.add({ upTo: 30 });
    again.close();
    expect(openAgentLog(scratch.path, 'trn_1').upTo).toBe(30);
  }
  await appendFile(path, '{"upTo":40}');
  expect(openAgentLog(scratch.path, 'trn_1').upTo).toBe(30);
});
