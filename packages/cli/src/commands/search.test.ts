import { afterEach, expect, test } from 'vitest';
import { createStyle } from '../screen/style.ts';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';
import { hitLines } from './search.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const hit = {
  ...{
    type: 'command.output' as const,
    time: '2026-11-26T12:00:00.500Z',
    projectId: 'prj_1',
    taskId: null,
    sessionId: 'ses_1',
  },
  ...{ turnId: null, commandId: 'cmd_1', cursor: '1-2', stream: 'stdout' as const, offset: 0 },
  ...{ text: 'with\u001b[2J a\nneedle in', highlights: [{ from: 11, to: 17 }] },
};

async function search(found: object, ...args: string[]) {
  const api = await startTestApi((_, response) => answer(response, 200, found));
  servers.push(api);
  const cli = startCli(['search', ...args], { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  return { code, out: cli.stdout().toString(), err: cli.stderr(), asked: api.requests[0]?.url.search };
}

test('what was found says where it is, and is shown without what a terminal acts on', async () => {
  expect(await search({ items: [hit], nextCursor: 'abc' }, 'needle')).toMatchObject({
    ...{ code: 0, err: 'more: --cursor abc\n' },
    out: '2026-11-26T12:00:00Z  command.output  ses_1  cmd_1\n  with a needle in\n',
  });
  const painted = hitLines(hit, createStyle(true))[1]!;
  expect(painted).toBe('  with a \u001b[1m\u001b[33mneedle\u001b[39m\u001b[22m in');
});

test('where nothing was found yet, it says that there is more to look at', async () => {
  expect(await search({ items: [], nextCursor: 'abc' }, '"on the"')).toMatchObject({
    ...{ code: 0, out: '', err: 'nothing was found so far\nmore: --cursor abc\n' },
  });
});

test('it asks for what its options say', async () => {
  const project = 'prj_01jd0000000000000000000000';
  const options = [
    '-p',
    project,
    '--session',
    's',
    '--types',
    'message.user,reasoning',
    '--from',
    '2026-11-01',
    '-n',
    '5',
  ];
  const { asked, err } = await search(
    { items: [], nextCursor: null },
    '"connection refused"',
    'err*',
    ...options,
    '--cursor',
    'c',
  );
  expect(Object.fromEntries(new URLSearchParams(asked))).toEqual({
    ...{ q: '"connection refused" err*', projectId: project, sessionId: 's', types: 'message.user,reasoning' },
    ...{ from: '2026-11-01T00:00:00.000Z', limit: '5', cursor: 'c' },
  });
  expect(err).toBe('nothing was found\n');
});

test.each([
  ['--types', 'tool.started'],
  ['--from', 'yesterday'],
  ['-n', '101'],
])('%s %s is a mistake of usage, and nothing is asked', async (option, value) => {
  expect(await search({ items: [] }, 'needle', option, value)).toMatchObject({ code: 2, asked: undefined });
});

test('nothing to search for is a mistake of usage, and nothing is asked', async () => {
  const { code, err, asked } = await search({ items: [] }, ' ');
  expect({ code, err, asked }).toEqual({
    ...{ code: 2, asked: undefined },
    err: 'worktrail: say what to search for: words, "phrases" or beginnings*\n',
  });
});
