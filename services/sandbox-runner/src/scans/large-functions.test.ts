import { expect, test } from 'vitest';
import { largeFunctionsOf, largeLinesMin } from './large-functions.ts';
import { scannedFile } from './scans-fixture.ts';

const body = (count: number) => '  step();\n'.repeat(count);

test('a function of many lines is found with where it is; a shorter one, and one of a test, is not', async () => {
  const text = `function long() {\n${body(largeLinesMin)}}\n\nfunction short() {\n${body(largeLinesMin - 3)}}\n`;
  const found = largeFunctionsOf(await scannedFile('src/a.ts', text));
  const lines = largeLinesMin + 2;
  expect(found).toMatchObject([{ title: `long has ${lines} lines`, evidence: [{ firstLine: 1, lastLine: lines }] }]);
  expect(largeFunctionsOf(await scannedFile('src/a.test.ts', text))).toEqual([]);
});

test('lines of functions within it, and empty ones, are not its own', async () => {
  const inner = `  function inner() {\n${body(largeLinesMin)}  }\n`;
  const found = largeFunctionsOf(await scannedFile('a.ts', `function outer() {\n${body(5)}${inner}}\n`));
  expect(found.map(({ title }) => title)).toEqual([`inner has ${largeLinesMin + 2} lines`]);
  const spaced = `function airy() {\n${'  step();\n\n\n'.repeat(largeLinesMin / 2)}}\n`;
  expect(largeFunctionsOf(await scannedFile('a.ts', spaced))).toEqual([]);
});

test('it is known by its name and what it is in, not by its lines or length', async () => {
  const of = async (before: string, name: string, count: number) =>
    largeFunctionsOf(
      await scannedFile('a.py', `${before}class A:\n  def ${name}(self):\n${`    step()\n`.repeat(count)}`),
    )[0]!;
  const known = await of('', 'work', 100);
  const later = await of('x = 1\n\n', 'work', 150);
  expect(later.fingerprint).toBe(known.fingerprint);
  expect(later.score).toBeGreaterThan(known.score);
  expect(known.title).toBe('A.work has 101 lines');
  expect((await of('', 'other', 100)).fingerprint).not.toBe(known.fingerprint);
});
