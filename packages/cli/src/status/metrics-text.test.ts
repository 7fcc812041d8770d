import { expect, test } from 'vitest';
import { deadLettersOf } from './cluster-status.ts';
import { parseMetrics } from './metrics-text.ts';
import { toolVersions } from './tool-versions.ts';

const text = `# HELP worktrail_dead_letters_total What could not be stored.
# TYPE worktrail_dead_letters_total counter
worktrail_dead_letters_total{partition="0",reason="a } b"} 2
worktrail_dead_letters_total{partition="1"} 3 1700000000000
other_bytes 1.5e3
torn`;

test('series of one metric are summed, whatever their labels', () => {
  expect(Object.fromEntries(parseMetrics(text))).toEqual({ worktrail_dead_letters_total: 5, other_bytes: 1500 });
});

test('dead letters are not known when nothing counts them', () => {
  expect(deadLettersOf(parseMetrics(text))).toBe(5);
  expect(deadLettersOf(parseMetrics('up 1'))).toBeNull();
});

test('tools tell their version by the name of what was fetched', () => {
  expect(
    toolVersions(['nats-server-2.15.1', 'temporal-1.9.1', 'sandbox-root-9f73.tar', 'worktrail-supervisor']),
  ).toEqual({
    'nats-server': '2.15.1',
    temporal: '1.9.1',
  });
});
