import { expect, test } from 'vitest';
import { historyStatusOf, upgradesOf } from './cluster-status.ts';
import { parseMetrics } from './metrics-text.ts';
import { toolVersions } from './tool-versions.ts';

const text = `# HELP worktrail_trace_store_dead_letters_kept Messages that could not be stored
# TYPE worktrail_trace_store_dead_letters_kept gauge
worktrail_trace_store_dead_letters_kept{partition="0",newest_reason="a } \\"b\\" c"} 2
worktrail_trace_store_dead_letters_kept{partition="1",newest_reason=""} 0 1700000000000
worktrail_trace_store_fills{partition="0",kind="backfilled"} 7
worktrail_trace_store_fills{partition="0",kind="gap"} 3
worktrail_trace_store_upgrade_parts_left{table="events_v1",what="MATERIALIZE INDEX text_words"} 12
other_bytes 1.5e3
torn`;

test('each sample comes with its labels, and what cannot be read is left out', () => {
  expect(parseMetrics(text)).toHaveLength(6);
  expect(parseMetrics(text)[0]).toEqual({
    name: 'worktrail_trace_store_dead_letters_kept',
    labels: { partition: '0', newest_reason: 'a } "b" c' },
    value: 2,
  });
  expect(parseMetrics(text).at(-1)).toEqual({ name: 'other_bytes', labels: {}, value: 1500 });
});

test('dead letters and what was missing are told by partition, or not known when nothing counts them', () => {
  expect(historyStatusOf(parseMetrics(text))).toEqual([
    { partition: 0, deadLetters: 2, newestDeadLetterReason: 'a } "b" c', eventsBackfilled: 7, gaps: 3 },
    { partition: 1, deadLetters: 0, newestDeadLetterReason: null, eventsBackfilled: 0, gaps: 0 },
  ]);
  expect(historyStatusOf(parseMetrics('up 1'))).toBeNull();
});

test('what an upgrade still does is told by table, and nothing when there is none', () => {
  const left = { table: 'events_v1', what: 'MATERIALIZE INDEX text_words', partsLeft: 12 };
  expect(upgradesOf(parseMetrics(text))).toEqual([left]);
  expect(upgradesOf(parseMetrics('up 1'))).toEqual([]);
});

test('tools tell their version by the name of what was fetched', () => {
  expect(
    toolVersions(['nats-server-2.15.1', 'temporal-1.9.1', 'sandbox-root-9f73.tar', 'worktrail-supervisor']),
  ).toEqual({
    'nats-server': '2.15.1',
    temporal: '1.9.1',
  });
});
