import { afterEach, expect, test } from 'vitest';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const checkpoints = [
  { id: 'chk_a', number: 1, label: 'start' },
  { id: 'chk_b', number: 2, label: 'twice' },
  { id: 'chk_c', number: 3, label: 'twice' },
];

/** What `worktrail …` asks for first that is no list of checkpoints. */
async function asked(...args: string[]) {
  const api = await startTestApi((request, response) => {
    if (request.path.endsWith('/checkpoints')) return answer(response, 200, { items: checkpoints, nextCursor: null });
    return answer(response, 418, { code: 'conflict', detail: 'asked' });
  });
  servers.push(api);
  const cli = startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  const request = api.requests.find(({ path }) => !path.endsWith('/checkpoints'));
  return { code, err: cli.stderr(), query: request?.url.search, body: request?.body.toString() };
}

test('a checkpoint is named by its id, its number or its label, wherever one is asked for', async () => {
  expect(await asked('revert', 'ses_1', '2')).toMatchObject({ body: '{"checkpointId":"chk_b"}' });
  expect(await asked('revert', 'ses_1', 'start')).toMatchObject({ body: '{"checkpointId":"chk_a"}' });
  expect((await asked('fork', 'ses_1', '--checkpoint', '3')).body).toContain('"checkpointId":"chk_c"');
  expect(await asked('diff', 'ses_1', '--from', '1', '--to', 'chk_z')).toMatchObject({
    query: expect.stringMatching(/from=chk_a&to=chk_z/),
  });
  expect(await asked('files', 'list', 'ses_1', '--at', 'start')).toMatchObject({
    query: expect.stringContaining('at=chk_a'),
  });
  expect(await asked('files', 'read', 'ses_1', 'a', '--at', '1')).toMatchObject({ query: '?at=chk_a' });
});

test('one that there is not, or not alone, is told without a change', async () => {
  expect(await asked('revert', 'ses_1', 'nope')).toMatchObject({
    ...{ code: 3, body: undefined, err: expect.stringContaining('worktrail checkpoint list ses_1') },
  });
  expect(await asked('revert', 'ses_1', '9')).toMatchObject({ code: 3, body: undefined });
  expect(await asked('revert', 'ses_1', 'twice')).toMatchObject({
    ...{ code: 2, body: undefined, err: expect.stringContaining('checkpoints 2, 3') },
  });
});
