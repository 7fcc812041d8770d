// Search in a project's repository, by the API and the CLI: indexed outside of any sandbox, at any branch or commit that upstream has.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const run = promisify(execFile);
const api = createApi(inject('apiUrl'), inject('apiKey'));
let upstream: string;
let first: string;
let projectId: string;

async function commit(path: string, content: string): Promise<string> {
  await mkdir(dirname(join(upstream, path)), { recursive: true });
  await writeFile(join(upstream, path), content);
  const git = (...args: string[]) =>
    run('git', ['-C', upstream, '-c', 'user.name=Test', '-c', 'user.email=test@example.org', ...args]);
  await git('add', '.');
  await git('commit', '-qm', path);
  return (await git('rev-parse', 'HEAD')).stdout.trim();
}

beforeAll(async () => {
  upstream = (await makeRepository(join(inject('repositoryRoot'), 'searched'), 30)).path;
  first = await commit(
    'lib/retry.ts',
    'export class Retry {\n  nextDelayMs(attempt: number) {\n    return 2 ** attempt;\n  }\n}\n',
  );
  projectId = (await api.make('/v1/projects', { name: 'searched', repository: { url: upstream } })).id;
});

const ask = (query: string) => api.get(`/v1/projects/${projectId}/context?${query}`);
/** In the whole: what is indexed meanwhile is waited for by each request a while. */
const search = async (query: string) => {
  for (;;) {
    const { status, body } = await ask(query);
    expect(status, JSON.stringify(body)).toBe(200);
    if (body.index.complete) return body;
  }
};

test('a definition is found with what says where it was at that time', async () => {
  const { items, commit: at, repository, index } = await search('q=nextDelayMs');
  expect({ at, repository }).toEqual({ at: first, repository: upstream });
  expect(index).toMatchObject({ complete: true, files: 32, indexed: 32 });
  const { stdout } = await run('git', ['-C', upstream, 'rev-parse', `${first}:lib/retry.ts`]);
  expect(items[0]).toEqual({
    ...{ kind: 'symbol', path: 'lib/retry.ts', firstLine: 2, lastLine: 4, blob: stdout.trim(), score: 1 },
    language: 'typescript',
    snippet: '  nextDelayMs(attempt: number) {\n    return 2 ** attempt;\n  }',
    symbol: { name: 'nextDelayMs', kind: 'method', parent: 'Retry', firstLine: 2, lastLine: 4 },
  });
});

test('each commit is searched as it was, and the default branch as it is', async () => {
  const second = await commit('lib/backoff.py', 'def jitter(delay):\n    return delay\n');
  const names = async (more: string) =>
    (await search(`q=jitter&kind=symbol${more}`)).items.map((one: { path: string }) => one.path);
  expect(await names(`&ref=${second}`)).toEqual(['lib/backoff.py']);
  expect(await names(`&ref=${first}`)).toEqual([]);
  await expect.poll(() => names(''), { interval: 1_000 }).toEqual(['lib/backoff.py']);
  expect(await names('&path=src')).toEqual([]);
  expect(await names('&language=python')).toEqual(['lib/backoff.py']);
});

test('what is shown to somebody who works in a session stands in its history, by who asked; without a session it leaves no trace', async () => {
  const { id } = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=60`, { title: 'Searching' });
  const referenced = async () => (await readHistory(api, id)).filter(({ type }) => type === 'context.referenced');
  await search('q=nextDelayMs');
  const { items } = await search(`q=nextDelayMs&sessionId=${id}`);
  await search(`q=nothing-like-that&sessionId=${id}`);
  const principal = (await api.get('/v1/me')).body.principal.id;
  const events = (await referenced()) as any[];
  expect(events.map(({ actor, data }) => [actor, data.query])).toEqual([
    [{ kind: 'user', id: principal }, 'nextDelayMs'],
    [{ kind: 'user', id: principal }, 'nothing-like-that'],
  ]);
  expect(events[0].data.references).toMatchObject(
    items.map(({ path, firstLine, lastLine, blob }: any) => ({ path, firstLine, lastLine, blob })),
  );
  const other = (await api.make('/v1/projects', { name: 'other', repository: { url: upstream } })).id;
  for (const wrong of [
    `/v1/projects/${other}/context?q=a&sessionId=${id}`,
    `/v1/projects/${projectId}/context?q=a&sessionId=x`,
  ])
    expect((await api.get(wrong)).body).toMatchObject({ status: 422, errors: [{ path: 'sessionId' }] });
  await api.make(`/v1/sessions/${id}/archive`, {});
  expect((await ask(`q=a&sessionId=${id}`)).body).toMatchObject({ code: 'session_archived' });
});

test('what cannot be asked for is refused, naming what is wrong', async () => {
  const refusal = async (query: string) => {
    const { status, body } = await ask(query);
    return [status, body.code, body.errors?.map(({ path }: { path: string }) => path).join()];
  };
  expect(await refusal('')).toEqual([422, 'validation_failed', 'q']);
  expect(await refusal('q=...')).toEqual([422, 'validation_failed', 'q']);
  expect(await refusal('q=a&ref=no-such-branch')).toEqual([422, 'validation_failed', 'ref']);
  expect(await refusal('q=a&ref=-upload')).toEqual([422, 'validation_failed', 'ref']);
  expect(await refusal('q=a&kind=symbol,other')).toEqual([422, 'validation_failed', 'kind']);
  expect(await refusal('q=a&limit=101')).toEqual([422, 'validation_failed', 'limit']);
  expect(await refusal('q=a&language=Type Script')).toEqual([422, 'validation_failed', 'language']);
});
