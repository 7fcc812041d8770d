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

test('a program that asks by itself is urged by the first signal, a second later', () => {
  let time = 0;
  const source = new EventEmitter();
  const requests = listenForStopRequests(source, () => time);
  requests.ask();
  expect([requests.asked.aborted, requests.urged.aborted]).toEqual([true, false]);
  time = 1_500;
  source.emit('SIGINT');
  expect(requests.urged.aborted).toBe(true);
});
