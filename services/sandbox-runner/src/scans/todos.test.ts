import fc from 'fast-check';
import { expect, test } from 'vitest';
import { suggestionLimits } from '@worktrail/contract/suggestions';
import { scannedFile } from './scans-fixture.ts';
import { todosOf } from './todos.ts';

async function titles(path: string, text: string): Promise<string[]> {
  return todosOf(await scannedFile(path, text)).map(({ title }) => title);
}

test.each([
  ['a.ts', '// TODO: mend it', 'TODO: mend it'],
  ['a.ts', 'const a = 1; // FIXME mend it', 'FIXME: mend it'],
  ['a.ts', '/* HACK(ann): for now */', 'HACK: for now'],
  ['a.ts', '/**\n * Adds.\n * @TODO of floats\n */', 'TODO: of floats'],
  ['a.py', 'x = 1  # TODO(#12): bound it', 'TODO: bound it'],
  ['a.sh', '#!/bin/sh\n# XXX this leaks', 'XXX: this leaks'],
  ['a.sql', '-- TODO: an index', 'TODO: an index'],
  ['a.html', '<p>a</p><!-- TODO: say more -->', 'TODO: say more'],
  ['a.md', '- [ ] TODO: write the guide', 'TODO: write the guide'],
  ['a.rs', '// see there. TODO: later', 'TODO: later'],
  ['a.go', '// TODO', 'TODO in a.go'],
])('%s: %j is something to do', async (path, text, title) => {
  expect(await titles(path, text)).toEqual([title]);
});

test.each([
  ['a.ts', 'const text = "// TODO: not a comment";'],
  ['a.ts', 'const TODO = todo();'],
  ['a.ts', '// shows the TODO list of a user'],
  ['a.ts', '// TODOS: many'],
  ['a.ts', '// see https://example.org/TODO'],
  ['a.ts', '// MY_TODO: a name'],
  ['a.py', "s = '# TODO: text'"],
  ['a.sh', 'echo ${#TODO:1}'],
  ['a.json', '{"a": "// TODO: x"}'],
  ['a.md', 'A list of TODO: items is kept elsewhere.'],
])('%s: %j is not', async (path, text) => {
  expect(await titles(path, text)).toEqual([]);
});

test('what goes on over several lines of a comment is one, and ends where the comment speaks of something else', async () => {
  const text = '// TODO: bound\n//   the number\n// of attempts\n//\n// And so on.\n# no\n// TODO: another\n';
  const [first, second] = todosOf(await scannedFile('a.ts', text));
  expect(first).toMatchObject({
    title: 'TODO: bound the number of attempts',
    evidence: [{ firstLine: 1, lastLine: 3 }],
  });
  expect(second).toMatchObject({ title: 'TODO: another', evidence: [{ firstLine: 7, lastLine: 7 }] });
});

test('the same words twice in a file are one finding with two places', async () => {
  const found = todosOf(await scannedFile('a.ts', '// TODO: x y\n\nf();\n// TODO: X y\n'));
  expect(found.map(({ evidence }) => evidence.map(({ firstLine }) => firstLine))).toEqual([[1, 4]]);
});

test('it is known by its words, wherever they stand and however they are set', async () => {
  const of = async (path: string, text: string) => todosOf(await scannedFile(path, text))[0]!.fingerprint;
  const known = await of('a.ts', '// TODO: bound the number, please\n');
  expect(await of('a.ts', 'f();\n\n\n  //  TODO   Bound the\n  //  number  please\n')).toBe(known);
  expect(await of('b.ts', '// TODO: bound the number, please\n')).not.toBe(known);
  expect(await of('a.ts', '// TODO: bound the numbers, please\n')).not.toBe(known);
  expect(await of('a.ts', '// FIXME: bound the number, please\n')).not.toBe(known);
});

test('whatever is in a file: titles are one plain line, evidence lies in the file, all of it bounded', async () => {
  const piece = fc.constantFrom(
    '// ',
    'TODO',
    ': ',
    'FIXME(',
    ')',
    '\n',
    '\u001b[2J',
    '\u202e',
    '\ud800',
    '*/',
    '"',
    '# ',
    'word ',
    '\r',
    '\0',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 200 }),
      fc.constantFrom('a.ts', 'a.py', 'a.md'),
      async (parts, path) => {
        const file = await scannedFile(path, parts.join(''));
        for (const { title, description, evidence } of todosOf(file)) {
          expect(title).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
          expect(title.isWellFormed() && description.isWellFormed()).toBe(true);
          expect(title.length).toBeLessThanOrEqual(suggestionLimits.titleLengthMax);
          for (const { firstLine, lastLine } of evidence) {
            expect(firstLine).toBeGreaterThanOrEqual(1);
            expect(lastLine).toBeGreaterThanOrEqual(firstLine);
            expect(lastLine).toBeLessThanOrEqual(file.lines.length);
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});
