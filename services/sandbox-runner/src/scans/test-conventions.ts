// Where tests are kept, and which module a test is of, by the conventions of each language.

const testDirectories = new Set(
  'test tests __tests__ spec specs e2e testing testdata fixtures __mocks__ __fixtures__ androidTest'.split(' '),
);
const testName =
  /(?:[._-](?:test|tests|spec|e2e|integration)\.[^.]+$)|(?:^test_[^/]*\.py$)|(?:_(?:test|spec|tests)\.[^.]+$)|(?:(?:Test|Tests|Spec|IT|TestCase)\.(?:java|kt|cs|php|swift|scala|groovy)$)|(?:\.bats$)|(?:^conftest\.py$)/;

export function isTestPath(path: string): boolean {
  const parts = path.split('/');
  const name = parts.pop()!;
  return testName.test(name) || parts.some((part) => testDirectories.has(part));
}

/** A file's name without its endings: "retry" of "src/retry.ts". */
export function stemOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.indexOf('.', 1);
  return dot > 0 ? name.slice(0, dot) : name;
}

/** "retry" of "retry.test.ts", "test_retry.py", "RetryTest.java". */
export function testedStem(path: string): string {
  return stemOf(path)
    .replace(/^test_/, '')
    .replace(/[._-](?:test|tests|spec)$/, '')
    .replace(/(?:Tests?|Spec|IT|TestCase)$/, '');
}

/** The last part of every quoted path and of every dotted module that a line imports. */
export function modulesNamedIn(line: string): string[] {
  const quoted = [...line.matchAll(/["'`]([^"'`\s]{1,200})["'`]/g)].map(([, path = '']) => path);
  const paths = quoted.filter((path) => path.includes('/') || /^\s*(?:import|export|require|use|from)\b/.test(line));
  const dotted = /^\s*(?:from\s+([\w.]{1,200})\s+import\b|import\s+([\w.]{1,200}))/.exec(line);
  const modules = [...paths.map(stemOf), (dotted?.[1] ?? dotted?.[2] ?? '').split('.').at(-1)!];
  return modules.filter((name) => name !== '');
}
