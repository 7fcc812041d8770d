import { afterEach, expect, test } from 'vitest';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const finding = {
  ...{
    part: 'sandbox-runner',
    id: 'run-1',
    kind: 'volume',
    name: 'worktrail-v',
    organizationId: null,
    sessionId: null,
  },
  ...{ generation: null, reason: 'its session is unknown', action: 'remove' },
  ...{ since: '2025-12-31T23:58:00.000Z', due: '2026-01-01T00:13:00.000Z' },
};
const report = { ...finding, part: 'orchestrator', id: 'o', kind: 'artifact', name: 'a', action: 'report', due: null };
const nothing = { findings: [], checkedAt: '2026-01-01T00:00:00.000Z', truncated: false, incomplete: [] as string[] };

async function doctor(found: object, ...args: string[]) {
  const api = await startTestApi((_, response) => answer(response, 200, found));
  servers.push(api);
  const cli = startCli(['doctor', ...args], { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  const [request] = api.requests;
  return { code, out: cli.stdout().toString(), err: cli.stderr(), asked: `${request!.method} ${request!.path}` };
}

test('doctor asks without changing anything, exits 0 when nothing is found and 1 with a table of what is', async () => {
  expect(await doctor(nothing)).toMatchObject({ code: 0, out: '', asked: 'GET /v1/doctor' });
  const found = await doctor({ ...nothing, findings: [finding, report], truncated: true });
  expect(found.code).toBe(1);
  const lines = found.out.split('\n');
  expect(lines[1]).toMatch(/^volume +worktrail-v +run-1 +2 min ago +in 780 s +its session is unknown$/);
  expect(lines[2]).toMatch(/^artifact +a +2 min ago +never by itself/);
  expect(found.err).toContain('There is more');
});

test('doctor --fix tells what was removed, and exits 1 while something is left, failed, or could not be looked at', async () => {
  const fixed = { ...nothing, removed: [finding], failed: [] as object[] };
  expect(await doctor(fixed, '--fix')).toMatchObject({
    ...{ code: 0, out: 'removed  volume worktrail-v\n', asked: 'POST /v1/doctor/fix' },
  });
  const failed = await doctor({ ...fixed, failed: [{ finding, reason: 'in use' }] }, '--fix');
  expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('worktrail-v could not be removed: in use') });
  const incomplete = await doctor({ ...fixed, incomplete: ['run-2 did not answer'] }, '--fix');
  expect(incomplete).toMatchObject({ code: 1, err: expect.stringContaining('run-2 did not answer') });
});

test('doctor --json gives the answer as it is', async () => {
  const found = { ...nothing, findings: [finding] };
  const { code, out } = await doctor(found, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(out)).toEqual(found);
});
