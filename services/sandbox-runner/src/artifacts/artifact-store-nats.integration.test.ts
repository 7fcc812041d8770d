import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsArtifactStore, openNatsArtifactStore } from './artifact-store-nats.ts';
import { ArtifactCorrupt, ArtifactMissing } from './artifact-store.ts';

const stream = 'OBJ_worktrail-artifacts';
const chunks = '$O.worktrail-artifacts.C';
const objectBytesMax = 20 * 1024 ** 2;
const { signal } = new AbortController();
let nowMs = Date.now();
let scratch: Scratch;
let nats: NatsServer;
let connection: NatsConnection;
let jsm: JetStreamManager;
let store: NatsArtifactStore;

beforeAll(async () => {
  scratch = await makeScratch('artifacts');
  nats = await startNatsServer(join(scratch.path, 'nats'));
  connection = await connect({ servers: nats.url });
  jsm = await jetstreamManager(connection);
  store = await openNatsArtifactStore(options());
});
afterAll(async () => {
  await connection.close();
  await nats.stop();
  await scratch.remove();
});

function options() {
  return { js: jetstream(connection), jsm, replicas: 1, storeBytesMax: null, objectBytesMax, clock: () => nowMs };
}

async function file(name: string, bytes: Buffer): Promise<string> {
  const path = join(scratch.path, name);
  await writeFile(path, bytes);
  return path;
}

async function chunkSubjects(): Promise<string[]> {
  const info = await jsm.streams.info(stream, { subjects_filter: `${chunks}.>` });
  return Object.keys(info.state.subjects ?? {});
}

test.each([0, 1, 256 * 1024, 5_000_000])('an object of %i bytes comes back as it was', async (size) => {
  const bytes = randomBytes(size);
  const name = `org/ses/1/object of ${size}`;
  const artifact = await store.put(name, await file('in', bytes), signal);
  expect(artifact).toEqual({ name, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: size });
  const out = join(scratch.path, `out-${size}`);
  await store.get(artifact, out, signal);
  expect((await readFile(out)).equals(bytes)).toBe(true);
  expect(await store.list('org/ses/1/object of')).toContain(name);
  expect(await store.find(name)).toEqual(artifact);
  await store.delete(name);
  await store.delete(name);
  await expect(store.get(artifact, out, signal)).rejects.toThrow(ArtifactMissing);
  expect(await store.list('org/ses/1/object of')).not.toContain(name);
  expect(await chunkSubjects()).toEqual([]);
});

test('the same again under its name is fine, also by two at once, and other content is refused', async () => {
  const path = await file('same', randomBytes(300_000));
  const [one, two] = await Promise.all([store.put('same', path, signal), store.put('same', path, signal)]);
  expect(two).toEqual(one);
  expect(await store.put('same', path, signal)).toEqual(one);
  await expect(store.put('same', await file('other', randomBytes(10)), signal)).rejects.toThrow(ArtifactCorrupt);
  expect(await chunkSubjects()).toHaveLength(1);
  await store.delete('same');
});

test('what is not the object that was named, or was damaged, is refused and leaves no file', async () => {
  const bytes = randomBytes(600_000);
  const artifact = await store.put('whole', await file('whole', bytes), signal);
  const out = join(scratch.path, 'refused');
  const other = { ...artifact, sha256: createHash('sha256').update('other').digest('hex') };
  await expect(store.get(other, out, signal)).rejects.toThrow(ArtifactCorrupt);
  const [subject] = await chunkSubjects();
  const middle = await jsm.direct.getMessage(stream, { seq: 1, next_by_subj: subject! });
  await jsm.streams.deleteMessage(stream, middle!.seq);
  await expect(store.get(artifact, out, signal)).rejects.toThrow(ArtifactCorrupt);
  await expect(store.put('whole', join(scratch.path, 'whole'), signal)).rejects.toThrow(ArtifactCorrupt);
  expect((await readdir(scratch.path)).filter((name) => name.startsWith('refused'))).toEqual([]);
  await store.delete('whole');
});

test('an object over the limit, and an upload that is aborted, leave nothing', async () => {
  const path = await file('large', randomBytes(objectBytesMax + 1));
  await expect(store.put('large', path, signal)).rejects.toThrow(/over the limit/);
  const aborter = new AbortController();
  const putting = store.put('aborted', path, aborter.signal);
  await expect.poll(chunkSubjects).toHaveLength(1);
  aborter.abort();
  await expect(putting).rejects.toMatchObject({ name: 'AbortError' });
  expect(await store.list('')).toEqual([]);
  expect(await chunkSubjects()).toEqual([]);
});

test('what an upload left whose process died is not found, and goes once it is old', async () => {
  const artifact = await store.put('kept', await file('kept', randomBytes(100)), signal);
  await jetstream(connection).publish(`${chunks}.dead`, randomBytes(100));
  expect(await store.list('')).toEqual(['kept']);
  expect(await store.purgeUnfinished()).toBe(0);
  nowMs += 3_600_000;
  expect(await store.purgeUnfinished()).toBe(1);
  expect(await chunkSubjects()).toHaveLength(1);
  await store.get(artifact, join(scratch.path, 'kept-out'), signal);
  expect(existsSync(join(scratch.path, 'kept-out'))).toBe(true);
  await store.delete('kept');
});

test('a full store refuses, and takes again once there is room', async () => {
  await openNatsArtifactStore({ ...options(), storeBytesMax: 1_000_000 } as Parameters<
    typeof openNatsArtifactStore
  >[0]);
  const path = await file('too much', randomBytes(1_500_000));
  await expect(store.put('too much', path, signal)).rejects.toThrow(/maximum bytes/);
  expect(await chunkSubjects()).toEqual([]);
  await openNatsArtifactStore(options());
  await store.put('too much', path, signal);
});
