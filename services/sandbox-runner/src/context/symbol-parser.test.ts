import { expect, test } from 'vitest';
import { createSymbolParser } from './symbol-parser.ts';

const parser = createSymbolParser();

/** As "kind parent.name firstLine-lastLine". */
async function symbols(language: string, text: string): Promise<string[]> {
  const found = await parser.symbolsOf(language, text);
  return found.map(
    ({ kind, parent, name, firstLine, lastLine }) =>
      `${kind} ${parent === null ? '' : `${parent}.`}${name} ${firstLine}-${lastLine}`,
  );
}

test('TypeScript', async () => {
  const text = `export interface Hit { path: string; open(): void }
type Kind = 'a' | 'b';
enum Color { Red }
export const limit = 3;
export const parse = (text: string) => {
  const inner = 1;
  return inner;
};
class Index<T> extends Base {
  #size = 0;
  static async load(path: string): Promise<void> {
  }
}
export async function search(q: string) {}
`;
  expect(await symbols('typescript', text)).toEqual([
    'interface Hit 1-1',
    'method Hit.open 1-1',
    'type Kind 2-2',
    'enum Color 3-3',
    'variable limit 4-4',
    'function parse 5-8',
    'class Index 9-13',
    'method Index.load 11-12',
    'function search 14-14',
  ]);
  expect(await symbols('tsx', 'export function App() { return <p>hi</p>; }')).toEqual(['function App 1-1']);
});

test('JavaScript, also as CommonJS has it', async () => {
  const text =
    'function a() {}\nconst b = () => 1;\nvar c = 2;\nexports.handler = function () {};\nclass D { m() {} }\n';
  expect(await symbols('javascript', text)).toEqual([
    'function a 1-1',
    'function b 2-2',
    'variable c 3-3',
    'method handler 4-4',
    'class D 5-5',
    'method D.m 5-5',
  ]);
});

test('Python', async () => {
  const text =
    'LIMIT = 3\n\nclass Index(Base):\n    def search(self, q):\n        return 1\n\n@cached\nasync def load():\n    pass\n';
  expect(await symbols('python', text)).toEqual([
    'variable LIMIT 1-1',
    'class Index 3-5',
    'function Index.search 4-5',
    'function load 8-9',
  ]);
});

test('Go', async () => {
  const text =
    'package a\nconst Max = 3\nvar x int\ntype Index struct { a int }\ntype Reader interface { Read() error }\ntype ID string\n' +
    'func Open(p string) error { return nil }\nfunc (i *Index) Search() {}\n';
  expect(await symbols('go', text)).toEqual([
    'constant Max 2-2',
    'variable x 3-3',
    'struct Index 4-4',
    'interface Reader 5-5',
    'method Reader.Read 5-5',
    'type ID 6-6',
    'function Open 7-7',
    'method Search 8-8',
  ]);
});

test('Rust', async () => {
  const text =
    'pub struct Index { a: u8 }\nimpl Index {\n    pub fn search(&self) {}\n}\ntrait Find { fn find(&self); }\nenum E { A }\n' +
    'mod inner { const MAX: u8 = 1; }\nmacro_rules! go { () => {} }\nimpl<T> Find for Vec2<T> { fn find(&self) {} }\n';
  expect(await symbols('rust', text)).toEqual([
    'struct Index 1-1',
    'implementation Index 2-4',
    'function Index.search 3-3',
    'interface Find 5-5',
    'function Find.find 5-5',
    'enum E 6-6',
    'module inner 7-7',
    'constant inner.MAX 7-7',
    'macro go 8-8',
    'implementation Vec2 9-9',
    'function Vec2.find 9-9',
  ]);
});

test('Java', async () => {
  const text =
    'package a;\npublic class Index {\n  static final int MAX = 1;\n  Index() {}\n  void search() {}\n  enum Kind { A }\n}\ninterface Find { void find(); }\nrecord P(int x) {}\n';
  expect(await symbols('java', text)).toEqual([
    'class Index 2-7',
    'constant Index.MAX 3-3',
    'method Index.Index 4-4',
    'method Index.search 5-5',
    'enum Index.Kind 6-6',
    'interface Find 8-8',
    'method Find.find 8-8',
    'class P 9-9',
  ]);
});

test('C and C++', async () => {
  const c =
    '#define MAX 3\n#define SQ(x) ((x)*(x))\nstruct point { int x; };\ntypedef struct point point_t;\nint *find(char *q);\nstatic int *find(char *q) {\n  return 0;\n}\n';
  expect(await symbols('c', c)).toEqual([
    'macro MAX 1-1',
    'macro SQ 2-2',
    'struct point 3-3',
    'type point_t 4-4',
    'function find 6-8',
  ]);
  const cpp =
    'namespace a {\nclass Index : Base {\n public:\n  void search();\n  int size() const { return 0; }\n};\nvoid Index::search() {}\nusing P = int;\n}\n';
  expect(await symbols('cpp', cpp)).toEqual([
    'module a 1-9',
    'class a.Index 2-6',
    'method Index.search 4-4',
    'function Index.size 5-5',
    'function a.Index::search 7-7',
    'type a.P 8-8',
  ]);
});

test('C#, Ruby, PHP and shell', async () => {
  const csharp =
    'namespace A.B {\n class Index : Base {\n  public int Size { get; }\n  void Search() {}\n }\n interface I {}\n}\n';
  expect(await symbols('csharp', csharp)).toEqual([
    'module A.B 1-7',
    'class A.B.Index 2-5',
    'property Index.Size 3-3',
    'method Index.Search 4-4',
    'interface A.B.I 6-6',
  ]);
  const ruby = 'module A\n  MAX = 1\n  class Index < Base\n    def search; end\n    def self.open?; end\n  end\nend\n';
  expect(await symbols('ruby', ruby)).toEqual([
    'module A 1-7',
    'constant A.MAX 2-2',
    'class A.Index 3-6',
    'method Index.search 4-4',
    'method Index.open? 5-5',
  ]);
  const php = '<?php\nclass Index {\n  function search() {}\n}\nfunction helper() {}\ninterface I {}\n';
  expect(await symbols('php', php)).toEqual([
    'class Index 2-4',
    'method Index.search 3-3',
    'function helper 5-5',
    'interface I 6-6',
  ]);
  expect(await symbols('shell', 'MAX=1\nrun() {\n  x=1\n}\nfunction go { :; }\n')).toEqual([
    'variable MAX 1-1',
    'function run 2-4',
    'function go 5-5',
  ]);
});

test('a file that is half broken has the symbols of the rest', async () => {
  expect(await symbols('typescript', 'function a() {\n  if (x { \n}\nfunction b() {}\n')).toContain('function b 4-4');
});

test('a hostile file neither hangs nor breaks what is parsed after it', async () => {
  const hostile = [
    '('.repeat(200_000),
    '[[{('.repeat(50_000),
    '<a'.repeat(100_000),
    '`${'.repeat(60_000),
    'a<'.repeat(100_000),
    '(a=>'.repeat(50_000),
    'class A {'.repeat(40_000),
    '\u0000\ud800'.repeat(1_000),
  ];
  // Its time passes five times as fast.
  const own = createSymbolParser(() => performance.now() * 5);
  for (const text of hostile) {
    const started = performance.now();
    await own.symbolsOf('typescript', text);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await own.symbolsOf('typescript', 'function after() {}')).toHaveLength(1);
  }
  expect(own.failed()).toBeGreaterThan(0);
});
