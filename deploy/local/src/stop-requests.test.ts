import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { listenForStopRequests } from './stop-requests.ts';

test('signals within a second are one request, a later one urges', () => {
  const source = new EventEmitter();
  let time = 5_000;
  const { asked, urged } = listenForStopRequests(source, () => time);
  expect(asked.aborted).toBe(false);
  source.emit('SIGINT');
  time += 999;
  source.emit('SIGINT');
  expect([asked.aborted, urged.aborted]).toEqual([true, false]);
  time += 1;
  source.emit('SIGTERM');
  expect(urged.aborted).toBe(true);
});
