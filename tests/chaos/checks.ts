// What must be true after a round, decided from what was read through the public API. Pure.
//
// 1. A command has exactly one end, one that the fault allows, and printed what it computed. Where its sandbox was lost, what was
//    kept is the beginning of that.
// 2. A history has every event once, in the order of cursors, each producer numbered from 1 without a hole; every reader saw the same.

import type { CommandOutcome } from '@worktrail/contract/commands';
import { compareCursors, parseCursor } from '@worktrail/contract/cursor';
import type { Seen } from './followers.ts';
import { sha256 } from './workload.ts';

export type ViolationKind = 'lost' | 'duplicate' | 'stuck' | 'orphan' | 'outcome' | 'differs' | 'slow' | 'broken';

export interface Violation {
  kind: ViolationKind;
  what: string;
}

export interface ExpectedCommand {
  name: string;
  id: string;
  stdout: Buffer;
  /** Whether it prints the sha256 of its output on standard error. */
  sumsItself: boolean;
  allowed: readonly CommandOutcome[];
}

export interface ObservedCommand {
  state: string;
  outcome: CommandOutcome | null;
  exitCode: number | null;
  stdoutBytes: number;
  stdout: Buffer;
  stderr: Buffer;
  gaps: string | null;
}

export function checkCommand(expected: ExpectedCommand, observed: ObservedCommand): Violation[] {
  const { name, id } = expected;
  const say = (kind: ViolationKind, what: string): Violation[] => [{ kind, what: `${name} (${id}) ${what}` }];
  if (observed.state !== 'ended' || observed.outcome === null) return say('stuck', `is ${observed.state}`);
  if (!expected.allowed.includes(observed.outcome)) {
    return say('outcome', `ended ${observed.outcome}, which no fault of this round explains`);
  }
  const problems: Violation[] = [];
  if (observed.gaps) problems.push(...say('lost', `has gaps: ${observed.gaps}`));
  if (observed.stdoutBytes !== observed.stdout.length) {
    problems.push(...say('differs', `says ${observed.stdoutBytes} bytes and has ${observed.stdout.length}`));
  }
  if (observed.outcome !== 'exited') {
    const isPrefix = expected.stdout.subarray(0, observed.stdout.length).equals(observed.stdout);
    return isPrefix ? problems : [...problems, ...say('differs', 'kept what is not the beginning of its output')];
  }
  if (observed.exitCode !== 0) {
    return say('outcome', `exited ${observed.exitCode}: ${observed.stderr.toString().slice(-300)}`);
  }
  if (!observed.stdout.equals(expected.stdout)) {
    return [
      ...problems,
      ...say(difference(expected.stdout, observed.stdout), describe(expected.stdout, observed.stdout)),
    ];
  }
  if (expected.sumsItself && observed.stderr.toString().trim() !== sha256(observed.stdout)) {
    problems.push(...say('differs', `computed ${observed.stderr.toString().trim()}, read ${sha256(observed.stdout)}`));
  }
  return problems;
}

function difference(expected: Buffer, observed: Buffer): ViolationKind {
  if (observed.length < expected.length) return 'lost';
  return observed.length > expected.length ? 'duplicate' : 'differs';
}

function describe(expected: Buffer, observed: Buffer): string {
  const end = Math.min(expected.length, observed.length);
  let first = 0;
  while (first < end && expected[first] === observed[first]) first++;
  return `printed ${expected.length} bytes and has ${observed.length}; the first difference is at ${first}`;
}

export function checkHistory(name: string, history: readonly Seen[]): Violation[] {
  const problems: Violation[] = [];
  const ids = new Set(history.map(({ id }) => id));
  if (ids.size !== history.length) {
    problems.push({ kind: 'duplicate', what: `${name} has ${history.length - ids.size} events twice` });
  }
  const cursors = history.map(({ cursor }) => parseCursor(cursor));
  const misplaced = cursors.findIndex((cursor, index) => {
    const before = cursors[index - 1];
    return !cursor || (index > 0 && (!before || compareCursors(before, cursor) >= 0));
  });
  if (misplaced >= 0) {
    problems.push({ kind: 'differs', what: `${name} is out of order at ${history[misplaced]!.cursor}` });
  }
  return problems;
}

/** Of every command one `command.queued`, at most one `command.started`, one `command.ended`. */
export function checkCommandEvents(history: readonly Seen[], commandIds: readonly string[]): Violation[] {
  const count = (commandId: string, type: string) =>
    history.filter((event) => event.commandId === commandId && event.type === type).length;
  return commandIds.flatMap((id): Violation[] => {
    const [queued, started, ended] = [
      count(id, 'command.queued'),
      count(id, 'command.started'),
      count(id, 'command.ended'),
    ];
    if (queued === 1 && started! <= 1 && ended === 1) return [];
    const kind = ended! > 1 || started! > 1 || queued! > 1 ? 'duplicate' : 'lost';
    return [{ kind, what: `${id} has ${queued} times queued, ${started} started, ${ended} ended` }];
  });
}

/** What one reader saw against the history as it is. */
export function compareFeed(name: string, history: readonly Seen[], seen: readonly Seen[]): Violation[] {
  const known = new Map(history.map((event) => [event.id, event]));
  const had = new Map<string, number>();
  for (const { id } of seen) had.set(id, (had.get(id) ?? 0) + 1);
  const missing = history.filter(({ id }) => !had.has(id)).length;
  const repeated = [...had.values()].filter((times) => times > 1).length;
  const changed = seen.filter((event) => {
    const stored = known.get(event.id);
    return stored?.digest !== event.digest || stored.cursor !== event.cursor;
  }).length;
  const problems: Violation[] = [];
  if (missing > 0) problems.push({ kind: 'lost', what: `${name} did not see ${missing} of ${history.length} events` });
  if (repeated > 0) problems.push({ kind: 'duplicate', what: `${name} saw ${repeated} events more than once` });
  if (changed > 0) problems.push({ kind: 'differs', what: `${name} saw ${changed} events other than they are stored` });
  if (problems.length === 0 && seen.some((event, index) => event.id !== history[index]!.id)) {
    problems.push({ kind: 'differs', what: `${name} saw events in another order` });
  }
  return problems;
}

/** A producer's events as they are stored. */
export interface ProducerCount {
  producer: string;
  events: number;
  first: number;
  last: number;
}

export function checkProducers(name: string, producers: readonly ProducerCount[], events: number): Violation[] {
  const problems = producers
    .filter((one) => one.first !== 1 || one.last !== one.events)
    .map((one): Violation => {
      const what = `${name}: producer ${one.producer} has ${one.events} events numbered ${one.first} to ${one.last}`;
      return { kind: one.last > one.events ? 'lost' : 'duplicate', what };
    });
  const stored = producers.reduce((sum, one) => sum + one.events, 0);
  if (stored !== events) {
    problems.push({ kind: 'differs', what: `${name}: SQL has ${stored} events, the history ${events}` });
  }
  return problems;
}
