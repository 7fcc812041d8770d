import { afterEach, expect, test } from 'vitest';
import { reportViews } from './report-views.ts';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const items = [
  { key: 'a/big\u001b[2J', calls: 12, inputTokens: 34_000, outputTokens: 560, cachedInputTokens: 7, costUsd: 1.5 },
  { key: 'b/small', calls: 1, inputTokens: 8, outputTokens: 9, cachedInputTokens: 0, costUsd: 0.0004 },
];

async function report(found: object, ...args: string[]) {
  return await reportOn(false, found, ...args);
}

async function reportOn(stdoutIsTerminal: boolean, found: object, ...args: string[]) {
  const frame = { from: null, to: null, groupBy: 'model', interval: 'none', truncated: false };
  const api = await startTestApi((_, response) => answer(response, 200, { ...frame, ...found }));
  servers.push(api);
  const cli = startCli(
    ['report', ...args],
    { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k', NO_COLOR: '1' },
    { stdoutIsTerminal },
  );
  const code = await cli.exitCode;
  return { code, out: cli.stdout().toString(), err: cli.stderr(), asked: api.requests[0]?.url.search };
}

test('report usage is a table of what cost most, without control characters', async () => {
  const { code, out, err } = await report({ items }, 'usage');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/^MODEL +CALLS +INPUT +OUTPUT +CACHED +COST$/),
    expect.stringMatching(/^a\/big\S* +12 +34000 +560 +7 +\$1.50$/),
    expect.stringMatching(/^b\/small +1 +8 +9 +0 +\$0.0004$/),
    '',
  ]);
  expect(out).not.toContain('\u001b');
});

test('it asks for what its options say, and says what there is not', async () => {
  const project = 'prj_01jd0000000000000000000000';
  const args = [
    'usage',
    '--by',
    'day',
    '--from',
    '2026-11-01',
    '--to',
    '2026-11-02T01:00:00+01:00',
    '-p',
    project,
    '--label',
    'a=b',
  ];
  const { asked, out, err } = await report({ items: [], truncated: true }, ...args);
  expect(Object.fromEntries(new URLSearchParams(asked))).toEqual({
    from: '2026-11-01T00:00:00.000Z',
    to: '2026-11-02T00:00:00.000Z',
    projectId: project,
    label: 'a=b',
    groupBy: 'day',
  });
  expect({ out, err }).toEqual({ out: '', err: 'no model was called\nmore were left out\n' });
});

test.each([
  ['--from', 'yesterday'],
  ['--to', '2026-13-01'],
  ['--by', 'colour'],
])('%s %s is a mistake of usage, and nothing is asked', async (option, value) => {
  expect(await report({ items }, 'usage', option, value)).toMatchObject({ code: 2, asked: undefined });
});

test('on a terminal the rows have bars, and times of several keys are a line for each', async () => {
  const bars = await reportOn(true, { items }, 'usage');
  expect(bars.out.split('\n').map((line) => line.split(/\$[\d.]+ */)[1])).toEqual([
    ...[undefined, '█'.repeat(20), '▏', undefined],
  ]);
  const on = (day: number, key: string, failures: number) => ({
    ...{ start: `2026-11-0${day}T00:00:00.000Z`, key, failures, sessions: 1, lastAt: '2026-11-09T00:00:00.000Z' },
  });
  const found = { groupBy: 'kind', interval: 'day', items: [on(4, 'exit 1', 8), on(2, 'exit 1', 2), on(3, '', 4)] };
  const overTime = await reportOn(true, found, 'command-failures', '--every', 'day');
  expect(overTime.asked).toContain('interval=day');
  expect(overTime.out.split('\n')).toEqual([
    expect.stringMatching(/^KIND +MOST FAILURES +2026-11-02 … 2026-11-04$/),
    expect.stringMatching(/^exit 1 +8 {2}▂ █$/),
    expect.stringMatching(/^\(none\) +4 {3}█ *$/),
    '',
  ]);
});

test('each report can be asked for, and one over time says of when its rows are', async () => {
  for (const { name, columns, empty } of reportViews) {
    expect(await report({ items: [] }, name)).toMatchObject({ code: 0, err: `${empty}\n` });
    const item = { key: 'k', ...Object.fromEntries(columns.map(({ field, format }) => [field, format ? 2 : 'x'])) };
    const shown = await report({ items: [item] }, name);
    expect(shown.out.split('\n')[1]).toMatch(/^k +\S/);
  }
  const item = {
    start: '2026-11-02T00:00:00.000Z',
    key: '',
    created: 3,
    active: 4,
    hibernated: 0,
    resumed: 0,
    archived: 0,
  };
  const { out } = await report({ groupBy: 'all', interval: 'day', items: [{ ...item, failed: 1 }] }, 'sessions');
  expect(out.split('\n')[1]).toMatch(/^2026-11-02 +3 +4 +0 +0 +0 +1$/);
});
