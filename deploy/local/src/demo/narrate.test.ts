import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createNarrator, type NarratedEvent, printable } from './narrate.ts';

function output(text: string, stream = 'stdout', commandId = 'cmd_1'): NarratedEvent {
  return { type: 'command.output', commandId, data: { stream, text, bytes: Buffer.from(text).toString('base64') } };
}

function ended(data: Record<string, unknown>): NarratedEvent {
  return { type: 'command.ended', commandId: 'cmd_1', data };
}

const success = ended({ outcome: 'exited', exitCode: 0 });

test('however output is cut into events, the same lines are told', () => {
  const lines = fc.array(fc.stringMatching(/^[a-z0-9 ]{0,12}$/), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(lines, fc.array(fc.nat(60), { maxLength: 10 }), (expected, cuts) => {
      const text = expected.map((line) => `${line}\n`).join('');
      const narrate = createNarrator();
      const bounds = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length];
      const pieces = bounds.slice(1).map((end, index) => text.slice(bounds[index], end));
      const told = [...pieces.flatMap((piece) => narrate(output(piece))), ...narrate(success)];
      expect(told).toEqual([...expected.map((line) => `  ${line}`), '  ✓']);
    }),
  );
});

test('a last line without its end is told when the command ends', () => {
  const narrate = createNarrator();
  expect(narrate(output('half'))).toEqual([]);
  expect(narrate(output('error', 'stderr'))).toEqual([]);
  expect(narrate(ended({ outcome: 'exited', exitCode: 3 }))).toEqual(['  half', '  error', '  ✗ exit code 3']);
});

test('output cannot steer the terminal', () => {
  expect(printable('\u001b[31mred\u001b[0m\u001b]0;title\u0007 \u001b(B\r\u0008done\u202e')).toBe('red done');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/\p{Cc}/u);
    }),
  );
});

test('of a long command its first line is shown, and setup is left out', () => {
  const queued = (origin: string): NarratedEvent => ({ type: 'command.queued', data: { command: 'one\ntwo', origin } });
  expect(createNarrator()(queued('trial'))).toEqual(['$ one …']);
  expect(createNarrator()(queued('setup'))).toEqual([]);
});

test('a session becomes ready once, not after every command', () => {
  const narrate = createNarrator();
  const ready: NarratedEvent = { type: 'session.ready', data: { baseCommit: '0123456789abcdef' } };
  expect([narrate(ready), narrate(ready)]).toEqual([['ready at 0123456789'], []]);
});

test('an end that is no exit is named', () => {
  expect(createNarrator()(ended({ outcome: 'signaled', exitCode: null, signal: 'SIGTERM' }))).toEqual([
    '  ✗ signaled (SIGTERM)',
  ]);
});
