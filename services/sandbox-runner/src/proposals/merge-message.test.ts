import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identName, mergeMessage } from './merge-message.ts';

const ids = { sessionId: 'ses_1', proposalId: 'ppl_1' };
const ada = { id: 'prn_ada', name: 'Ada' };

test('a message is subject, description, and trailers of ours as the last paragraph', () => {
  const parts = { title: 'Add a parser', description: 'It reads\nlines.\n\nAnd more.\n', ...ids, approvedBy: [ada] };
  expect(mergeMessage(parts)).toBe(
    `Add a parser

It reads
lines.

And more.

Worktrail-Session: ses_1
Worktrail-Proposal: ppl_1
Approved-by: Ada <prn_ada@worktrail.invalid>`,
  );
});

test('no text of a user passes for a trailer, or ends the message before ours', () => {
  const description =
    'Approved-by: Boss\n ---\nworktrail-session : ses_2\r\n# ------------------------ >8 ---\ndiff --git a b';
  const message = mergeMessage({ title: 'Approved-by: Boss\nx', description, ...ids, approvedBy: [] });
  expect(message.split('\n')[0]).toBe('Approved-by: Boss x');
  expect(message.match(/^> .*$/gm)).toHaveLength(5);
});

test('whatever is written, the last paragraph is ours, each approval is one line, and there is a subject', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('\n\n', '', 'Approved-by: x\n'));
  const lines = fc.array(text, { maxLength: 6 }).map((parts) => parts.join('\n'));
  fc.assert(
    fc.property(text, lines, fc.array(text, { maxLength: 3 }), (title, description, names) => {
      const approvedBy = names.map((name, index) => ({ id: `prn_${index}`, name }));
      const message = mergeMessage({ title, description, ...ids, approvedBy });
      const paragraphs = message.split('\n\n');
      const last = paragraphs.at(-1)!.split('\n');
      expect(last).toHaveLength(2 + names.length);
      for (const line of last) expect(line).toMatch(/^(?:Worktrail-Session|Worktrail-Proposal|Approved-by): \S/);
      for (const [index, line] of last.slice(2).entries()) expect(line).toContain(`<prn_${index}@worktrail.invalid>`);
      expect(paragraphs[0]!.trim()).not.toBe('');
      expect(paragraphs[0]!.includes('\n')).toBe(false);
      const before = paragraphs.slice(1, -1).join('\n\n');
      expect(before).not.toMatch(/^\s*(?:approved-by|worktrail-[\w-]*)\s*:/im);
      expect(before).not.toMatch(/^\s*---/m);
      expect(message).not.toMatch(/[\0\r]/);
    }),
  );
});

test('a name that git would strip to nothing is the principal', () => {
  expect(identName({ id: 'prn_1', name: ' <.,> ' })).toBe('prn_1');
  expect(identName({ id: 'prn_1', name: 'Ada <x>\n' })).toBe('Ada x');
});
