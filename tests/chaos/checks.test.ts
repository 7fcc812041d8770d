import { describe, expect, test } from 'vitest';
import {
  checkCommand,
  checkCommandEvents,
  checkHistory,
  checkProducers,
  compareFeed,
  type ExpectedCommand,
  type ObservedCommand,
} from './checks.ts';
import type { Seen } from './followers.ts';
import { sha256 } from './workload.ts';

const stdout = Buffer.from('one\ntwo\nthree\n');
const expected: ExpectedCommand = { name: 'c', id: 'cmd_1', stdout, sumsItself: true, allowed: ['exited'] };
const observed: ObservedCommand = {
  state: 'ended',
  outcome: 'exited',
  exitCode: 0,
  stdoutBytes: stdout.length,
  stdout,
  stderr: Buffer.from(`${sha256(stdout)}\n`),
  gaps: null,
};

function kindsOf(change: Partial<ObservedCommand>, asked: Partial<ExpectedCommand> = {}): string[] {
  const bytes = change.stdout ? { stdoutBytes: change.stdout.length } : {};
  return checkCommand({ ...expected, ...asked }, { ...observed, ...bytes, ...change }).map(({ kind }) => kind);
}

describe('a command', () => {
  test('is well when it exited with all it printed', () => {
    expect(kindsOf({})).toEqual([]);
  });

  test('that has not ended is stuck', () => {
    expect(kindsOf({ state: 'running', outcome: null })).toEqual(['stuck']);
  });

  test('that ended in a way no fault explains is told', () => {
    expect(kindsOf({ outcome: 'sandbox_lost' })).toEqual(['outcome']);
    expect(kindsOf({ exitCode: 1 })).toEqual(['outcome']);
  });

  test('whose bytes are fewer, more or other is told', () => {
    expect(kindsOf({ stdout: stdout.subarray(0, 4) })).toEqual(['lost']);
    expect(kindsOf({ stdout: Buffer.concat([stdout, stdout]) })).toEqual(['duplicate']);
    expect(kindsOf({ stdout: Buffer.from('one\ntwo\nthrew\n') })).toEqual(['differs']);
    expect(kindsOf({ stdoutBytes: 3 })).toEqual(['differs']);
    expect(kindsOf({ gaps: 'stdout:0-4' })).toEqual(['lost']);
  });

  test('that computed another sum than was read is told', () => {
    expect(kindsOf({ stderr: Buffer.from(`${sha256(Buffer.from('x'))}\n`) })).toEqual(['differs']);
    expect(kindsOf({ stderr: Buffer.from('') }, { sumsItself: false })).toEqual([]);
  });

  test('that lost its sandbox keeps the beginning of its output', () => {
    const allowed = ['exited', 'sandbox_lost'] as const;
    expect(kindsOf({ outcome: 'sandbox_lost', stdout: stdout.subarray(0, 5) }, { allowed })).toEqual([]);
    expect(kindsOf({ outcome: 'sandbox_lost', stdout: Buffer.from('two') }, { allowed })).toEqual(['differs']);
    const more = Buffer.concat([stdout, stdout]);
    expect(kindsOf({ outcome: 'sandbox_lost', stdout: more }, { allowed })).toEqual(['differs']);
  });
});

function event(sequence: number, change: Partial<Seen> = {}): Seen {
  const id = `evt_${sequence}`;
  return { cursor: `a-${sequence}`, id, type: 'command.output', commandId: 'cmd_1', digest: id, ...change };
}

const history = [1, 2, 3, 4].map((sequence) => event(sequence));

describe('a history', () => {
  test('has every event once and in order', () => {
    expect(checkHistory('h', history)).toEqual([]);
    expect(checkHistory('h', [...history, event(5, { id: 'evt_1' })])).toMatchObject([{ kind: 'duplicate' }]);
    expect(checkHistory('h', [event(2), event(1)])).toMatchObject([{ kind: 'differs' }]);
    expect(checkHistory('h', [event(1, { cursor: 'no cursor!' })])).toMatchObject([{ kind: 'differs' }]);
  });

  test('has one end of each command', () => {
    const types = ['command.queued', 'command.started', 'command.ended'];
    const one = types.map((type, index) => event(index + 1, { type }));
    expect(checkCommandEvents(one, ['cmd_1'])).toEqual([]);
    expect(checkCommandEvents(one.slice(0, 2), ['cmd_1'])).toMatchObject([{ kind: 'lost' }]);
    expect(checkCommandEvents([...one, one[2]!], ['cmd_1'])).toMatchObject([{ kind: 'duplicate' }]);
    expect(checkCommandEvents(one, ['cmd_2'])).toMatchObject([{ kind: 'lost' }]);
  });

  test('has producers that are numbered without a hole, and as many events as SQL counts', () => {
    const producer = { producer: 'command', events: 4, first: 1, last: 4 };
    expect(checkProducers('h', [producer], 4)).toEqual([]);
    expect(checkProducers('h', [{ ...producer, last: 5 }], 4)).toMatchObject([{ kind: 'lost' }]);
    expect(checkProducers('h', [{ ...producer, first: 2, last: 3 }], 4)).toMatchObject([{ kind: 'duplicate' }]);
    expect(checkProducers('h', [producer], 5)).toMatchObject([{ kind: 'differs' }]);
  });
});

describe('a reader', () => {
  test('that saw what is stored is well', () => {
    expect(compareFeed('sse', history, history)).toEqual([]);
  });

  test('that missed, repeated, changed or reordered events is told', () => {
    expect(compareFeed('sse', history, history.slice(1))).toMatchObject([{ kind: 'lost' }]);
    expect(compareFeed('sse', history, [...history, history[3]!])).toMatchObject([{ kind: 'duplicate' }]);
    expect(compareFeed('sse', history, history.with(2, event(3, { digest: 'x' })))).toMatchObject([
      { kind: 'differs' },
    ]);
    expect(compareFeed('sse', history, history.with(2, event(3, { cursor: 'a-9' })))).toMatchObject([
      { kind: 'differs' },
    ]);
    expect(compareFeed('sse', history, [...history, event(9)])).toMatchObject([{ kind: 'differs' }]);
    expect(compareFeed('sse', history, history.toReversed())).toMatchObject([{ kind: 'differs' }]);
  });
});
