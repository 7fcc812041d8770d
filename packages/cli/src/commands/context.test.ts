import { afterEach, expect, test } from 'vitest';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const project = `prj_${'0'.repeat(26)}`;
const blob = 'b'.repeat(40);
const symbol = { name: 'open', kind: 'method', parent: 'Store', firstLine: 3, lastLine: 30 };
const items = [
  { kind: 'symbol', path: 'src/a.ts', firstLine: 3, lastLine: 14, blob, score: 1, language: 'typescript', symbol },
  { kind: 'text', path: 'docs/a.md', firstLine: 9, lastLine: 9, blob, score: 0.5, language: 'markdown' },
  { kind: 'file', path: 'logo.png', firstLine: 0, lastLine: 0, blob, score: 0.4, language: null },
].map((hit) => ({ ...hit, snippet: hit.firstLine === 0 ? '' : '\n\topens \u001b[31mit' }));
const found = {
  ...{ items, commit: 'c'.repeat(40), repository: 'https://host/a.git' },
  index: { complete: false, files: 12, indexed: 5, skipped: {} },
};

async function context(...args: string[]) {
  const api = await startTestApi((_, response) => answer(response, 200, found));
  servers.push(api);
  const cli = startCli(['context', project, ...args], { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  const lines = cli.stdout().toString().trimEnd().split('\n');
  return { code, lines, err: cli.stderr(), url: api.requests[0]?.url };
}

test('hits are a table of where they are and what they show', async () => {
  const { code, lines, err } = await context('open', 'store');
  expect(code).toBe(0);
  expect(lines.map((line) => line.trimEnd())).toEqual([
    'SCORE  KIND    WHERE          WHAT',
    ' 1.00  method  src/a.ts:3-14  Store.open',
    ' 0.50  text    docs/a.md:9    opens it',
    ' 0.40  file    logo.png',
  ]);
  expect(err).toContain('3 hits at cccccccccccc; the index is not complete yet (5 of 12 files)');
});

test('what is asked for reaches the API, and nothing else', async () => {
  const { url } = await context(
    'open',
    'store',
    '--kind',
    'symbol,text',
    '--path',
    'src',
    '--ref',
    'main',
    '-n',
    '5',
    '--session',
    'ses_1',
  );
  expect(`${url!.pathname}?${url!.searchParams}`).toBe(
    `/v1/projects/${project}/context?q=open+store&ref=main&path=src&limit=5&sessionId=ses_1&kind=symbol%2Ctext`,
  );
});

test('with snippets each line has its number, and moves no cursor', async () => {
  const { lines } = await context('open', '-s');
  expect(lines.slice(0, 3)).toEqual(['src/a.ts:3-14  method 1.00', '3  ', '4    opens it']);
});

test('--json is the answer of the API', async () => {
  expect(JSON.parse((await context('open', '--json')).lines.join('\n'))).toEqual(found);
});
