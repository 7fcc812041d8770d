import { expect, test } from 'vitest';
import { createMissingTests } from './missing-tests.ts';
import { commitFiles } from './scans-fixture.ts';

const pad = (mark: string) => `${mark} a line\n`.repeat(30);
const ts = (name: string) => `${pad('//')}export function ${name}() {\n  return 1;\n}\n`;

async function untested(contents: Record<string, string>): Promise<string[]> {
  const files = await commitFiles(contents);
  const tests = createMissingTests();
  files.forEach((file) => tests.see(file));
  files.forEach((file) => tests.look(file));
  return tests.findings().map(({ evidence }) => evidence[0]!.path);
}

test('a source file that no test names is found', async () => {
  expect(await untested({ 'src/deck.ts': ts('shuffleCards') })).toEqual(['src/deck.ts']);
  expect(await untested({ 'src/deck.ts': ts('shuffleCards'), 'src/other.test.ts': 'import "./other.ts";' })).toEqual([
    'src/deck.ts',
  ]);
});

test.each([
  ['the name of the test', 'src/deck.ts', 'src/deck.test.ts', ''],
  ['an import', 'src/deck.ts', 'tests/all.test.ts', "import { anything } from '../src/deck.ts';"],
  ['what it defines', 'src/deck.ts', 'tests/all.spec.ts', "import { shuffleCards } from '../src/index.ts';"],
])('a test names it by %s', async (_, path, test, text) => {
  expect(await untested({ [path]: ts('shuffleCards'), [test]: text })).toEqual([]);
});

test.each([
  ['app/deck.py', 'tests/test_deck.py', ''],
  ['app/deck.py', 'tests/test_all.py', 'from app.deck import anything\n'],
  ['pkg/deck.go', 'pkg/all_test.go', 'package pkg\nfunc TestAll() { ShuffleCards() }\n'],
  ['src/main/java/Deck.java', 'src/test/java/DeckTest.java', ''],
  ['lib/deck.rb', 'spec/deck_spec.rb', ''],
])('%s is tested by %s', async (path, test, text) => {
  const source = {
    py: `${pad('#')}def shuffle_cards():\n    return 1\n`,
    go: `package pkg\n${pad('//')}func ShuffleCards() int {\n\treturn 1\n}\n`,
    java: `${pad('//')}class Deck {\n  int shuffleCards() { return 1; }\n}\n`,
    rb: `${pad('#')}def shuffle_cards\n  1\nend\n`,
  }[path.split('.').at(-1)!]!;
  expect(await untested({ [path]: source })).toEqual([path]);
  expect(await untested({ [path]: source, [test]: text })).toEqual([]);
});

test('what is no module to be tested is left alone', async () => {
  const text = ts('shuffleCards');
  const names = [
    'src/index.ts',
    'vite.config.ts',
    'src/a.d.ts',
    'scripts/build.ts',
    'examples/a.ts',
    'test/helpers.ts',
    '.github/a.ts',
  ];
  expect(await untested(Object.fromEntries(names.map((name) => [name, text])))).toEqual([]);
  expect(await untested({ 'src/short.ts': 'export function shuffleCards() {}\n' })).toEqual([]);
  expect(await untested({ 'src/data.ts': `${pad('//')}export const cards = [1];\n` })).toEqual([]);
  expect(await untested({ 'src/deck.rs': `${pad('//')}fn shuffle_cards() {}\n#[cfg(test)]\nmod tests {}\n` })).toEqual(
    [],
  );
});
