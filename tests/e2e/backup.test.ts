// A cluster at work is saved into a file, and made again of it elsewhere: histories, sessions and secrets are those of that moment.

import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeBackup } from '../../deploy/local/src/backup/make-backup.ts';
import { restoreBackup } from '../../deploy/local/src/backup/restore-backup.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../../deploy/local/src/cluster.ts';
import type { Report } from '../../deploy/local/src/progress.ts';
import { type Api, createApi, followEvents, hibernate, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
let scratch: Scratch;
let options: ClusterOptions;
let cluster: Cluster;
let api: Api;
const others: Cluster[] = [];

beforeAll(async () => {
  scratch = await makeScratch('backup');
  const repository = await makeRepository(join(scratch.path, 'repositories/one'), 20);
  options = {
    stateDirectory: join(scratch.path, 'state'),
    repositoryRoots: [join(scratch.path, 'repositories')],
    onProgress: () => undefined,
  };
  cluster = await startCluster(options);
  api = createApi(cluster.connection.apiUrl, cluster.connection.apiKey);
  await api.make('/v1/projects', { name: 'one', repository: { url: repository.path } });
});
afterAll(async () => {
  await Promise.all([cluster, ...others].map((one) => one?.stop()));
  await scratch.remove();
});

async function worktrail(...args: string[]): Promise<string> {
  const env = { ...process.env, NO_COLOR: '1' };
  return (await promisify(execFile)(process.execPath, [program, ...args], { env })).stdout;
}

const make = async (title: string) => {
  const [project] = (await api.get('/v1/projects')).body.items;
  return await api.make(`/v1/projects/${project.id}/sessions?waitSeconds=280`, { title });
};
const run = (by: Api, sessionId: string, command: string) =>
  by.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command });

test('under load it is saved while commands run, restored beside it, and goes on from there', async () => {
  const [asleep, busy] = [await make('Asleep'), await make('Busy')];
  await run(api, asleep.id, 'echo kept > file && git add file && git commit -qm Kept && echo ignored > ~/home-file');
  await hibernate(api, asleep.id);
  await api.request('PUT', `/v1/projects/${asleep.projectId}/secrets/WORD`, { value: 'open sesame' });
  const counting = await api.make(`/v1/sessions/${busy.id}/commands`, {
    command: 'for i in $(seq 1 100000); do echo line $i; sleep 0.01; done',
  });
  let isLoaded = true;
  const load = (async () => {
    while (isLoaded) await run(api, busy.id, 'seq 1 2000').catch(() => undefined);
  })();

  const file = join(scratch.path, 'saved.tar');
  const state = options.stateDirectory;
  const told = JSON.parse(await worktrail('backup', file, '--state', state, '--json'));
  isLoaded = false;
  expect(told).toMatchObject({ hasSecretsKey: true, artifactsMissing: [] });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(state)).not.toContain('clickhouse-backups');
  await api.make(`/v1/sessions/${busy.id}/commands/${counting.id}/cancel`);
  await load;
  const before = { asleep: await readHistory(api, asleep.id), busy: await readHistory(api, busy.id) };

  const directory = join(scratch.path, 'restored');
  const restored = JSON.parse(await worktrail('restore', file, '--state', directory, '--json'));
  expect(restored).toMatchObject({ createdAt: told.createdAt, events: told.events });
  const copy = await startCluster({ ...options, stateDirectory: directory });
  others.push(copy);
  expect(copy.isFirstStart).toBe(false);
  expect(copy.connection.apiUrl).not.toBe(cluster.connection.apiUrl);
  expect(copy.connection.apiKey).toBe(cluster.connection.apiKey);
  const there = createApi(copy.connection.apiUrl, copy.connection.apiKey);

  // What slept has nothing new in its history; of what ran, all up to the moment is the same, and its commands ended with their host.
  expect((await readHistory(there, asleep.id)).slice(0, before.asleep.length)).toEqual(before.asleep);
  const woken = await run(there, asleep.id, 'cat file; git log -1 --format=%s');
  expect(woken.output.text).toBe('kept\nKept\n');
  for await (const event of followEvents(there, copy.connection.apiKey, busy.id)) {
    if (event.type === 'command.ended' && event.commandId === counting.id) break;
  }
  const ended = await there.get(`/v1/sessions/${busy.id}/commands/${counting.id}`);
  expect(ended.body).toMatchObject({ state: 'ended', outcome: 'host_lost' });
  const after = await readHistory(there, busy.id);
  // The first that is the copy's own. It may be one that was told in the first cluster, too, just behind the moment: ids of workflows' events
  // are drawn the same again, cursors are not.
  const own = after.findIndex((event) => !before.busy.some(({ cursor }) => cursor === event.cursor));
  expect(own).toBeGreaterThan(20);
  expect(after.slice(0, own)).toEqual(before.busy.slice(0, own));
  expect(new Set(after.map(({ id }) => id)).size).toBe(after.length);
  expect((await run(there, busy.id, 'echo on')).output.text).toBe('on\n');
  expect((await there.get(`/v1/projects/${asleep.projectId}`)).body.secrets).toEqual(['WORD']);
  // A cursor that the first cluster gave out for what came later is at the copy's own events, not in the middle of others.
  const last = before.busy.at(-1)!.cursor;
  const page = await there.get(`/v1/sessions/${busy.id}/events?after=${last}&limit=200`);
  expect(page.status).toBe(200);
  expect((await run(api, busy.id, 'echo still here')).output.text).toBe('still here\n');
}, 600_000);

/** What kills the trace-store, and when. */
const killings: Record<string, (kill: () => void) => { report?: Report; end?: () => void }> = {
  'ClickHouse is copied': (kill) => {
    const watcher = watch(options.stateDirectory, { recursive: true }, (_, name) => {
      if (/^clickhouse-backups\/[^/]+\/clickhouse/.test(String(name))) kill();
    });
    return { end: () => watcher.close() };
  },
  'the streams are saved behind it': (kill) => ({
    report: (event) => void (event.kind === 'done' && event.title === 'Copy ClickHouse' && kill()),
  }),
};

test.each(Object.keys(killings))(
  'a trace-store that is killed while %s fails the backup, which says so and leaves nothing; the next one is whole',
  async (when) => {
    const session = await make('Saved');
    await run(api, session.id, 'seq 1 20000');
    const directory = join(scratch.path, `killed while ${when}`);
    await mkdir(directory);
    let kills = 0;
    const kill = () => void (kills++ === 0 && cluster.kill('trace-store', 'SIGKILL'));
    const { report = () => undefined, end } = killings[when]!(kill);
    const of = { stateDirectory: options.stateDirectory, withoutKey: false };
    try {
      await expect(makeBackup({ ...of, file: join(directory, 'one.tar'), report })).rejects.toThrow(
        /^The trace-store (could not copy ClickHouse|was started anew, or did not answer)/,
      );
    } finally {
      end?.();
    }
    expect(kills).toBeGreaterThan(0);
    expect(await readdir(directory)).toEqual([]);
    expect(await readdir(options.stateDirectory)).not.toContain('clickhouse-backups');

    await cluster.whenReady('trace-store');
    const file = join(directory, 'two.tar');
    // The session may tell more of itself meanwhile.
    const before = await readHistory(api, session.id);
    const made = await makeBackup({ ...of, file, report: () => undefined });
    const saved = made.sessions.find(({ sessionId }) => sessionId === session.id)!.events;
    expect(saved).toBeGreaterThanOrEqual(before.length);
    expect(saved).toBeLessThanOrEqual((await readHistory(api, session.id)).length);
    // Which reads it back.
    const to = { stateDirectory: join(directory, 'restored'), keyFile: undefined, env: process.env };
    expect(await restoreBackup({ ...to, file, report: () => undefined })).toMatchObject({ createdAt: made.createdAt });
  },
  300_000,
);

test('a damaged backup, a directory that is not empty, and a missing key are refused, and leave nothing', async () => {
  const file = join(scratch.path, 'keyless.tar');
  await worktrail('backup', file, '--state', options.stateDirectory, '--without-key');
  const refused = async (from: string, to: string) =>
    (await worktrail('restore', from, '--state', to).then(
      () => 'restored',
      (error: { stderr: string }) => error.stderr,
    )) as string;
  expect(await refused(file, options.stateDirectory)).toContain('is not empty');
  const directory = join(scratch.path, 'refused');
  expect(await refused(file, directory)).toContain('--key-file');
  expect(await readdir(directory)).toEqual([]);
  const bytes = await readFile(file);
  const at = bytes.indexOf('SQLite format 3');
  bytes[at + 5_000] = bytes[at + 5_000]! ^ 1;
  await writeFile(join(scratch.path, 'damaged.tar'), bytes);
  expect(await refused(join(scratch.path, 'damaged.tar'), directory)).toContain('temporal.db is not what was saved');
  expect(await readdir(directory)).toEqual([]);
});
