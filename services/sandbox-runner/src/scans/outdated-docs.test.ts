import { expect, test } from 'vitest';
import { createOutdatedDocs } from './outdated-docs.ts';
import { commitFiles } from './scans-fixture.ts';

const repository = {
  'src/retry.ts': 'export class Retry {\n  nextDelay() {}\n}\n',
  'src/deep/parse.ts': 'export const parse = 1;\n',
  'docs/other.md': '# Other\n',
  'docs/images/a.png': '',
};

async function outdated(path: string, text: string, more: Record<string, string> = {}): Promise<string[]> {
  const files = await commitFiles({ ...repository, ...more, [path]: text });
  const docs = createOutdatedDocs(files.paths);
  files.forEach((file) => docs.see(file));
  files.forEach((file) => docs.look(file));
  return docs
    .findings()
    .map(
      ({ title, evidence }) =>
        `${title.split(' names ').at(-1)!.split(' links to ').at(-1)!.split(',')[0]} ${evidence.map((one) => one.firstLine).join()}`,
    );
}

test.each([
  ['docs/a.md', '[gone](gone.md)', 'docs/gone.md 1'],
  ['docs/a.md', 'x\n[gone](../src/gone.ts#L3)\n[again](../src/gone.ts)', 'src/gone.ts 2,3'],
  ['README.md', '![image](docs/images/b.png)', 'docs/images/b.png 1'],
  ['README.md', 'see `src/gone.ts:12`', 'src/gone.ts 1'],
  ['docs/a.md', 'see `src/deep/gone.ts`', 'src/deep/gone.ts 1'],
  ['README.md', 'call `Retry.lastDelay()`', 'Retry.lastDelay 1'],
  ['README.md', '/docs: [a](/docs/gone.md)', 'docs/gone.md 1'],
])('%s: %j is outdated', async (path, text, expected) => {
  expect(await outdated(path, text)).toEqual([expected]);
});

test.each([
  ['docs/a.md', '[other](other.md) [other](./other) [up](../src/) [root](/docs/other.md) [here](#part)'],
  ['docs/a.md', '[outside](../../wiki) [site](/guide/start) [mail](mailto:a@b.c) [web](https://x.y/z.md) [p](<a b>)'],
  ['docs/a.md', '```\n[gone](gone.md) `src/gone.ts`\n```'],
  ['README.md', '`src/*.ts` `src/<name>.ts` `path/to/file.ts` `deep/parse.ts` `src/config.local.ts` `a/b`'],
  ['README.md', '`Retry.nextDelay()` `Other.method()` `Retry`'],
  ['CHANGELOG.md', '[gone](gone.md)'],
  ['docs/decisions/1.md', '`src/gone.ts`'],
  ['src/a.ts', '// [gone](gone.md)'],
])('%s: %j is not', async (path, text) => {
  expect(await outdated(path, text)).toEqual([]);
});

test('a method that another file still speaks of is there', async () => {
  expect(await outdated('README.md', '`Retry.lastDelay()`', { 'src/x.ts': 'retry.lastDelay();\n' })).toEqual([]);
});
