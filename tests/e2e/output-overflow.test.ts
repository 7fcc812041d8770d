// P1 at a limit: a command that prints far more than may be kept and is to go on keeps its beginning and its end, and the history says
// once what lies between.

import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
const mebibyte = 1024 * 1024;
const resources = { outputBytesMax: 3 * mebibyte, outputOverflow: 'keep_tail' };
let projectId: string;

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'output-overflow'), 5);
  const project = await api.make('/v1/projects', {
    name: 'output-overflow',
    repository: { url: repository.path },
    environment: { resources },
  });
  expect(project.environment.resources).toMatchObject(resources);
  projectId = project.id;
});

test('of an output far above its limit the first part and the last megabyte are read back exactly, and one gap names the rest', async () => {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Much' });
  const count = 2_000_000;
  const printed = Buffer.from(Array.from({ length: count }, (_, index) => `${index + 1}\n`).join(''));
  const ended = await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, {
    command: `seq ${count}; exit 4`,
    stdin: '',
  });
  expect(ended).toMatchObject({ outcome: 'exited', exitCode: 4, stdoutBytes: printed.length });
  const from = 2 * mebibyte;
  const to = printed.length - mebibyte;

  const output = `/v1/sessions/${session.id}/commands/${ended.id}/output?stream=stdout`;
  const kept: Buffer[] = [];
  const gaps: string[] = [];
  for (let offset = 0; ; ) {
    const part = await api.bytes(`${output}&offset=${offset}&limit=${4 * mebibyte}`);
    expect(part.status).toBe(200);
    kept.push(part.bytes);
    gaps.push(...(part.headers.get('x-gaps') ?? '').split(',').filter(Boolean));
    offset = Number(part.headers.get('x-next-offset'));
    if (part.headers.get('x-output-complete') === 'true') break;
  }
  expect(Buffer.concat(kept).equals(Buffer.concat([printed.subarray(0, from), printed.subarray(to)]))).toBe(true);
  expect(gaps).toEqual([`${from}-${to}=output_limit`]);

  const history = await readHistory(api, session.id);
  const told = history.filter(({ type }) => type === 'gap');
  const range = { producer: ended.id, fromPosition: from, toPosition: to, reason: 'output_limit' };
  expect(told.map(({ data }) => data)).toMatchObject([range]);
});

test('what becomes of such an output is one of two things', async () => {
  const answer = await api.post('/v1/projects', {
    name: 'output-overflow-wrong',
    repository: { url: '/nowhere' },
    environment: { resources: { outputOverflow: 'drop' } },
  });
  expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([422, 'environment.resources.outputOverflow']);
});
