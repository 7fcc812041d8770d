import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { newId } from '@worktrail/contract/ids';
import type { ExportedSession } from '@worktrail/contract/session-export';
import { type Event, EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createJsonLines } from '../export/jsonl.ts';
import { Problem } from '../problem.ts';
import { parseLines } from './parse-lines.ts';

const session: ExportedSession = {
  ...{ id: newId('session'), projectId: newId('project'), taskId: null, trialId: null, title: 'x', labels: {} },
  ...{ branch: 'worktrail/x', baseCommit: null, headCommit: null, inherited: [] },
  ...{ createdAt: '2026-01-01T00:00:00.000Z', lastActiveAt: '2026-01-01T00:00:00.000Z' },
};

function event(number: number, payload: Event['payload'], more: Partial<Event> = {}): Event {
  const time = timestampFromDate(new Date(Date.UTC(2026, 0, 1, 0, 0, number)));
  const ids = { organizationId: 'org_1', projectId: session.projectId, sessionId: session.id, producer: 'session' };
  return create(EventSchema, { id: newId('event'), ...ids, number: BigInt(number), time, payload, ...more } as never);
}

const output = { stream: Stream.STDERR, offset: 0n, position: 5n, bytes: new Uint8Array([0xff, 0, 10]) };
const events = [
  event(1, { case: 'messageUser', value: { text: 'Hi\n\u2028' } as never }),
  event(2, { case: 'commandOutput', value: output as never }),
  event(3, { case: 'sessionArchived', value: {} as never }),
];

function linesOf(all: readonly Event[]): string[] {
  const format = createJsonLines(session, false);
  const lines = all.map((one, index) => format.event({ event: one, cursor: { epoch: 1, sequence: index + 1 } }));
  return [format.begin(), ...lines, format.end({ events: all.length, cursor: '1-1', sha256: 'x' })];
}
const whole = linesOf(events);

function refusal(lines: string[]): string {
  try {
    parseLines(Buffer.from(lines.join('')));
    return '';
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.message;
  }
}

test('what was exported is the same events again', () => {
  const { events: parsed, session: said, end } = parseLines(Buffer.from(whole.join('')));
  expect(said).toEqual(session);
  expect(parsed.map((one) => toBinary(EventSchema, one.event))).toEqual(
    events.map((one) => toBinary(EventSchema, one)),
  );
  expect(parsed.map(({ line }) => line)).toEqual([2, 3, 4]);
  expect(end).toMatchObject({ events: 3, inherited: {} });
});

test('what does not fit is refused by its line', () => {
  const [header, first, second, third, end] = whole as [string, string, string, string, string];
  const with2 = (line: string) => refusal([header, line, third]);
  expect(refusal([first])).toMatch(/^line 1: /);
  expect(with2('{}\n')).toMatch(/^line 2: cursor/);
  expect(with2('nonsense\n')).toBe('line 2: is no JSON');
  expect(with2(first.replace('message.user', 'usage'))).toBe('line 2: type: is not what its message says');
  expect(with2(first.replace(/"message":"[^"]*"/, '"message":"AAAA"'))).toBe('line 2: message: is no event');
  expect(with2(second.replace(/"bytes":"[^"]*"/, '"bytes":5'))).toBe('line 2: data.bytes: is no base64');
  expect(refusal([header, first, end, third])).toBe('line 4: stands after the end');
  expect(refusal([header, first.trimEnd()])).toBe('line 2: has no end');
  const other = linesOf([event(1, events[0]!.payload, { sessionId: newId('session') })]);
  expect(refusal([header, other[1]!])).toBe('line 2: sessionId: is none of those that the first line names');
  const bad = linesOf([event(1, events[0]!.payload, { producer: 'a.>' })]);
  expect(refusal([header, bad[1]!])).toBe('line 2: message: its producer is malformed');
  const foreign = linesOf([event(1, events[0]!.payload, { projectId: newId('project') })]);
  expect(refusal([header, foreign[1]!])).toMatch(/^line 2: message: is of another project/);
  const large = linesOf([event(1, { case: 'messageUser', value: { text: 'x'.repeat(2 ** 20) } as never })]);
  expect(refusal([header, large[1]!])).toBe('line 2: is too large');
});

test('no file whatever makes it fail otherwise', () => {
  const bytes = Buffer.from(whole.join(''));
  const edits = fc.array(fc.record({ at: fc.nat(bytes.length - 1), byte: fc.integer({ min: 0, max: 255 }) }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(edits, fc.nat(bytes.length), (changes, length) => {
      const broken = Buffer.from(bytes.subarray(0, length));
      for (const { at, byte } of changes) if (at < length) broken[at] = byte;
      refusal([broken.toString('latin1')]);
      try {
        parseLines(broken);
      } catch (error) {
        expect(error).toBeInstanceOf(Problem);
      }
    }),
    { numRuns: 2_000 },
  );
});
