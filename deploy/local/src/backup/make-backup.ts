/**
 * A backup of a running cluster's state directory as one file.
 *
 * 1. Order: the streams are held together, ClickHouse is copied while it goes on, then Temporal and NATS as they are at one moment at which
 *    nobody acts (still-services.ts). What is made of it is what a machine that lost power at that moment would go on with: the streams
 *    have all that ClickHouse's copy has not.
 * 2. Artifacts (checkpoints, archives) follow behind that moment, for they may be large. One that was named then and went meanwhile is told.
 * 3. Volumes of sessions, and what a runner keeps on its disk, are not in it.
 * 4. The file appears whole, or not at all: with a sum of every file, read back and compared before it has its name.
 */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { ProposalDocument, SessionDocument } from '@worktrail/contract/documents';
import { buckets, eventStream } from '@worktrail/contract/subjects';
import { readAllDocuments } from '@worktrail/runtime/all-documents';
import { openBucket } from '@worktrail/runtime/buckets';
import { infoSubject, objectStream } from '@worktrail/runtime/object-store-layout';
import { streamEpoch } from '@worktrail/runtime/stream-created';
import { createTraceClient } from '@worktrail/runtime/trace-client';
import { NATS_USER } from '../cluster-plan.ts';
import { type Connection, readConnection } from '../connection-file.ts';
import { acquireInstanceLock } from '../instance-lock.ts';
import { type Report, step } from '../progress.ts';
import { mustRun } from '../run-program.ts';
import { type StatePaths, statePaths } from '../state-directory.ts';
import { historyDigest } from './history-digest.ts';
import { MANIFEST, type Manifest, newManifest, sumFiles } from './manifest.ts';
import { takeSnapshot } from './stream-snapshots.ts';
import { whileStill } from './still-services.ts';

/** Held again each minute: a backup that was killed holds nothing for long. */
const HOLD_SECONDS = 180;
const HOLD_AGAIN_MS = 60_000;
const HOLD_TIMEOUT_MS = 20_000;
const CLICKHOUSE_TIMEOUT_MS = 30 * 60_000;
const ARCHIVE_TIMEOUT_MS = 60 * 60_000;
const SAMPLED_SESSIONS = 8;
/** They vanish by themselves, or are of processes that will not be there. */
const LEFT_OUT = [`KV_${buckets.runners}`, `KV_${buckets.runnerOrders}`];

export interface BackupOptions {
  stateDirectory: string;
  /** Must not exist. */
  file: string;
  /** What opens stored secrets is left out. */
  withoutKey: boolean;
  report: Report;
}

export async function makeBackup({ stateDirectory, file, withoutKey, report }: BackupOptions): Promise<Manifest> {
  if (await exists(file)) throw new Error(`${file} is there already.`);
  const state = statePaths(stateDirectory, undefined);
  const running = await readConnection(state.connection);
  if (!running) throw new Error(`The cluster of ${stateDirectory} does not run: a backup is made of one that does.`);
  const lock = await acquireInstanceLock(`${state.root}#backup`);
  if (!lock) throw new Error('A backup of this cluster is being made already.');
  const name = `backup-${randomBytes(6).toString('hex')}`;
  const copies = `${state.clickhouse}-backups`;
  const directory = join(copies, name);
  try {
    await rm(copies, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const manifest = await fill(directory, { state, running, name, withoutKey, report });
    await step(report, 'Write the file and read it back', () => archive(directory, file));
    return manifest;
  } finally {
    await rm(copies, { recursive: true, force: true });
    await lock.release();
  }
}

interface Filling {
  state: StatePaths;
  running: Connection;
  name: string;
  withoutKey: boolean;
  report: Report;
}

async function fill(directory: string, filling: Filling): Promise<Manifest> {
  const { state, running, name, withoutKey, report } = filling;
  const secret = async (of: string) => (await readFile(join(state.secrets, of), 'utf8')).trim();
  const trace = createTraceClient(running.addresses.traceStore, await secret('internal-token'), CLICKHOUSE_TIMEOUT_MS);
  const password = await secret('nats-password');
  const nats = await connect({ servers: running.addresses.nats, user: NATS_USER, pass: password });
  const hold = (seconds: number) => trace.holdPurges({ seconds }, { timeoutMs: HOLD_TIMEOUT_MS });
  // Where one fails, the next, or the one behind the moment, tells whether it was held all the time.
  let isBroken = false;
  const holdOn = async () => {
    const { wasHeld } = await hold(HOLD_SECONDS);
    isBroken ||= !wasHeld;
  };
  const holding = setInterval(() => void holdOn().catch(() => undefined), HOLD_AGAIN_MS);
  try {
    await hold(HOLD_SECONDS);
    let events = { min: 0, max: 0 };
    await step(report, 'Copy ClickHouse', async () => {
      const { eventsBefore, eventsAfter } = await trace.backup({ name }).catch((cause: Error) => {
        throw new Error(`The trace-store could not copy ClickHouse: ${cause.message}`, { cause });
      });
      events = { min: Number(eventsBefore), max: Number(eventsAfter) };
      return { detail: `${events.max} events` };
    });
    await mkdir(join(directory, 'streams'));
    let cut: Cut | undefined;
    await step(report, 'Save Temporal and NATS as they are at one moment', async () => {
      const { gateway, orchestrator, sandboxRunner } = running.pids;
      cut = await whileStill([gateway, orchestrator, sandboxRunner], () => takeCut(nats, state, directory));
      return { detail: `${cut.streams.length} streams` };
    });
    await holdOn().catch(() => {
      isBroken = true;
    });
    if (isBroken) {
      throw new Error(
        'The trace-store was started anew, or did not answer, while ClickHouse and the streams were saved: what was purged between is in neither. Run it again.',
      );
    }
    const { streams, artifacts, sessions } = cut!;
    const artifactsMissing: string[] = [];
    await step(report, 'Save artifacts', async () => {
      const saved = await saveArtifacts(nats, directory);
      if (saved) streams.push(saved);
      artifactsMissing.push(...(await missingArtifacts(nats, artifacts)));
      return { detail: `${artifacts.length - artifactsMissing.length} of ${artifacts.length} that are named` };
    });
    await saveFiles(state, directory, withoutKey);
    const digests = await Promise.all(sessions.map(async (one) => ({ ...one, ...(await historyDigest(trace, one)) })));
    const manifest = newManifest({
      ...{ createdAt: new Date().toISOString(), temporalNamespace: running.temporalNamespace },
      ...{ hasSecretsKey: !withoutKey, streams, events, sessions: digests, artifactsMissing },
      files: await sumFiles(directory),
    });
    await writeFile(join(directory, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
    return manifest;
  } finally {
    clearInterval(holding);
    await hold(0).catch(() => undefined);
    await nats.close();
  }
}

interface Cut {
  streams: Manifest['streams'];
  /** By name: those that documents name. */
  artifacts: string[];
  sessions: Pick<Manifest['sessions'][number], 'organizationId' | 'sessionId' | 'partition' | 'upTo'>[];
}

/** Its schema has strings in double quotes. */
export const asTemporalWrites = { enableDoubleQuotedStringLiterals: true } as const;

async function takeCut(nats: NatsConnection, state: StatePaths, directory: string): Promise<Cut> {
  const database = new DatabaseSync(state.temporalDatabase, { readOnly: true, ...asTemporalWrites });
  try {
    database.prepare('VACUUM INTO ?').run(join(directory, 'temporal.db'));
  } finally {
    database.close();
  }
  const jsm = await jetstreamManager(nats);
  const streams: Manifest['streams'] = [];
  const epochs = new Map<string, number>();
  for await (const info of jsm.streams.list()) {
    const { config, created } = info;
    if (config.name === objectStream || LEFT_OUT.includes(config.name)) continue;
    streams.push(await takeSnapshot(nats, { name: config.name, created }, join(directory, 'streams', config.name)));
    epochs.set(config.name, streamEpoch(info));
  }
  const documents = await readAllDocuments(await openBucket(nats, buckets.sessions), (one: SessionDocument) => one);
  const proposals = await readAllDocuments(await openBucket(nats, buckets.proposals), (one: ProposalDocument) => one);
  const artifacts = [...documents, ...proposals].flatMap((one) => one.artifacts ?? []);
  const newest = documents.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, SAMPLED_SESSIONS);
  const sessions = newest.flatMap(({ id, organizationId, partition }) => {
    const stream = streams.find(({ name }) => name === eventStream(partition));
    if (!stream) return [];
    const upTo = { epoch: epochs.get(stream.name) ?? 0, sequence: stream.state.last_seq };
    return [{ organizationId, sessionId: id, partition, upTo }];
  });
  return { streams, artifacts: [...new Set(artifacts)], sessions };
}

async function saveArtifacts(
  nats: NatsConnection,
  directory: string,
): Promise<Manifest['streams'][number] | undefined> {
  const jsm = await jetstreamManager(nats);
  const info = await jsm.streams.info(objectStream).catch((error: unknown) => {
    // No runner has made it yet.
    if (error instanceof JetStreamApiError && error.code === 10059) return undefined;
    throw error;
  });
  if (!info) return undefined;
  return await takeSnapshot(
    nats,
    { name: objectStream, created: info.created },
    join(directory, 'streams', objectStream),
  );
}

/** An artifact is never changed: one that is there before and after is in what was saved between. */
async function missingArtifacts(nats: NatsConnection, names: readonly string[]): Promise<string[]> {
  const jsm = await jetstreamManager(nats);
  const missing: string[] = [];
  for (const name of names) {
    const found = await jsm.direct.getMessage(objectStream, { last_by_subj: infoSubject(name) });
    if (!found || (found.json<{ deleted?: boolean }>().deleted ?? false)) missing.push(name);
  }
  return missing;
}

const SECRETS_KEY = 'secrets-key';

async function saveFiles(state: StatePaths, directory: string, withoutKey: boolean): Promise<void> {
  const secrets = join(directory, 'secrets');
  await mkdir(secrets, { mode: 0o700 });
  for (const name of await readdir(state.secrets)) {
    if (withoutKey && name === SECRETS_KEY) continue;
    await copyFile(join(state.secrets, name), join(secrets, name));
  }
  const others = ['first-start.json', 'worktrail.yaml'];
  for (const name of others) {
    if (await exists(join(state.root, name))) await copyFile(join(state.root, name), join(directory, name));
  }
}

/** Under its own name only once every byte of it was compared with what it was made of. */
async function archive(directory: string, file: string): Promise<{ detail: string }> {
  const scratch = await mkdtemp(join(dirname(file), `.${basename(file)}.`));
  try {
    const unfinished = join(scratch, 'backup.tar');
    const options = { timeoutMs: ARCHIVE_TIMEOUT_MS };
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      await mustRun('tar', ['-cf', unfinished, '-C', directory, '.'], options);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await mustRun('tar', ['-df', unfinished, '-C', directory], options);
    await rename(unfinished, file);
    const { size } = await stat(file);
    return { detail: `${Math.ceil(size / 1024 ** 2)} MiB` };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
