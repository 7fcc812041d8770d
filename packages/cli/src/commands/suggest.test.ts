import { afterEach, expect, test } from 'vitest';
import { answer, type ReceivedRequest, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const project = `prj_${'0'.repeat(26)}`;
const sug = (digit: string) => `sug_${digit.repeat(26)}`;
const place = (path: string, firstLine: number, lastLine: number) => ({ path, firstLine, lastLine, blobId: 'b' });
const items = [
  {
    id: sug('1'),
    kind: 'todo',
    title: 'TODO: \u001b[31mbound it',
    evidence: [place('a.ts', 2, 3), place('b.ts', 1, 1)],
  },
  { id: sug('2'), kind: 'failing_check', title: 'The check "x" exits with 1', evidence: [] },
];
const scan = (state: string, more: object = {}) => ({
  ...{ state, step: state === 'running' ? 'checking' : null, commit: 'c'.repeat(40), notes: [], detail: null },
  ...{ added: 2, updated: 0, resolved: 1, kinds: [], projectId: project, startedAt: 't', endedAt: null },
  ...more,
});

async function suggest(args: string[], route: (request: ReceivedRequest) => object) {
  const api = await startTestApi((request, response) => answer(response, 200, route(request)));
  servers.push(api);
  const cli = startCli(['suggest', ...args], { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  const asked = api.requests.map(({ method, url, body }) =>
    `${method} ${url.pathname}${url.search} ${body.toString()}`.trim(),
  );
  return { code, out: cli.stdout().toString().trimEnd().split('\n'), err: cli.stderr(), asked };
}

function scanning(end: object) {
  let looked = 0;
  return ({ method, url }: ReceivedRequest) => {
    if (method === 'POST') return scan('running');
    if (url.searchParams.has('waitSeconds')) {
      looked += 1;
      return { items: [], nextCursor: null, scan: looked > 1 ? end : scan('running', { step: 'storing' }) };
    }
    return { items, nextCursor: null, scan: end };
  };
}

test('a scan is followed to its end, and what was found is a table of what and where', async () => {
  const { code, out, err } = await suggest([project], scanning(scan('completed', { notes: ['a note'] })));
  expect(code).toBe(0);
  expect(out.map((line) => line.trimEnd())).toEqual([
    'SUGGESTION                      KIND           TITLE                       WHERE',
    `${sug('1')}  todo           TODO: bound it              a.ts:2-3 and 1 more`,
    `${sug('2')}  failing_check  The check "x" exits with 1`,
  ]);
  expect(err).toBe(
    'running the required checks …\nstoring what was found …\na note\n2 shown, 2 new, 1 resolved, at cccccccccccc\n',
  );
});

test('one that has failed says why, and exits 1', async () => {
  const { code, err } = await suggest([project], scanning(scan('failed', { detail: 'the remote\ndoes not answer' })));
  expect(code).toBe(1);
  expect(err).toContain('worktrail: the scan has failed: the remote does not answer');
});

test('without a scan, only what was found before is asked for', async () => {
  const { asked } = await suggest([project, '--no-scan', '--kind', 'todo', '--only', 'all'], scanning({}));
  expect(asked).toEqual([`GET /v1/projects/${project}/suggestions?state=all&kind=todo&limit=200`]);
});

test.each([
  ['--only', 'foo'],
  ['--kind', 'foo'],
])('%s %s is told before anything is read', async (...option) => {
  const { code, err, asked } = await suggest([project, ...option], scanning({}));
  expect([code, asked]).toEqual([2, []]);
  expect(err).toContain('Allowed choices are');
});

test('--json is one document', async () => {
  const { out } = await suggest([project, '--json'], scanning(scan('completed')));
  expect(JSON.parse(out.join('\n'))).toEqual({ items, scan: scan('completed') });
});

test('accepting prints the session, and says whether somebody works on it', async () => {
  const made = { suggestion: items[0], task: { id: 'tsk_1' }, session: { id: 'ses_1' }, turnId: 'trn_1' };
  const { out, err, asked } = await suggest(['accept', sug('1'), '--message', 'go', '-m', 'a/b'], () => made);
  expect(out).toEqual(['ses_1']);
  expect(err).toBe('task tsk_1 · turn trn_1\n');
  expect(asked).toEqual([`POST /v1/suggestions/${sug('1')}/accept {"message":"go","agent":{"model":"a/b"}}`]);
  const options = ['--agent', 'custom', '--agent-command', 'x --acp', '--deny', 'fetch', '--max-steps', '3'];
  expect((await suggest(['accept', sug('1'), ...options], () => made)).asked).toEqual([
    `POST /v1/suggestions/${sug('1')}/accept {"agent":{"kind":"custom","command":"x --acp","limits":{"steps":3},"permissions":{"fetch":"deny"}}}`,
  ]);
  const idle = await suggest(['accept', sug('1')], () => ({ ...made, turnId: null }));
  expect(idle.err).toContain('no model is configured');
});

test('dismissing says what it is now', async () => {
  const { out, asked } = await suggest(['dismiss', sug('1'), '-r', 'a toy'], () => ({
    ...items[0],
    state: 'dismissed',
  }));
  expect(out).toEqual(['dismissed']);
  expect(asked).toEqual([`POST /v1/suggestions/${sug('1')}/dismiss {"reason":"a toy"}`]);
});
