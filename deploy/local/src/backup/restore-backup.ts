/**
 * Makes a state directory of a backup, and reads it back before it says that it is one.
 *
 * 1. Only into a directory that is not there, or empty; one that could not be made whole is empty again.
 * 2. What was stored in ClickHouse before the streams were saved, and what the streams have beyond it, is stored together under the positions
 *    that it had: histories read the same up to there. From then on the streams are new incarnations: a cursor that the other cluster gave
 *    out for what came later names nothing here.
 * 3. It is a cluster of its own, with another id: it touches no container of the one that was saved. Its runner is a new one, so sessions are
 *    opened from archives or checkpoints, and commands that ran end as `host_lost`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { eventStream, streamCreatedMetadata } from '@worktrail/contract/subjects';
import { createTraceClient, type TraceClient } from '@worktrail/runtime/trace-client';
import { NATS_USER, REPOSITORY_DIRECTORY } from '../cluster-plan.ts';
import { acquireInstanceLock } from '../instance-lock.ts';
import { natsConfig } from '../nats-config.ts';
import { DEFAULT_PORTS, holdPorts, type Ports } from '../ports.ts';
import { type Report, step } from '../progress.ts';
import { isHttpReady, isNatsReady } from '../readiness.ts';
import { mustRun } from '../run-program.ts';
import { type ClusterSecrets, openSecrets } from '../secrets.ts';
import { traceStoreEnvironment } from '../service-environment.ts';
import { openStateDirectory, type StatePaths } from '../state-directory.ts';
import { resolveTool } from '../tools.ts';
import { waitUntil } from '../wait-until.ts';
import { historyDigest } from './history-digest.ts';
import { asTemporalWrites } from './make-backup.ts';
import { differences, MANIFEST, type Manifest, manifestSchema, sumFiles } from './manifest.ts';
import { restoreSnapshot } from './stream-snapshots.ts';

const HOST = '127.0.0.1';
const UNPACK_TIMEOUT_MS = 60 * 60_000;
const CLICKHOUSE_TIMEOUT_MS = 60 * 60_000;
const CATCH_UP_TIMEOUT_MS = 30 * 60_000;
const START_TIMEOUT_MS = 60_000;
const SERVICES = join(REPOSITORY_DIRECTORY, 'services/trace-store/src');

export interface RestoreOptions {
  file: string;
  stateDirectory: string;
  /** Of a backup without it: what opens stored secrets. */
  keyFile: string | undefined;
  env: NodeJS.ProcessEnv;
  report: Report;
}

export async function restoreBackup(options: RestoreOptions): Promise<Manifest> {
  const root = resolve(options.stateDirectory);
  const existing = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (existing.length > 0) throw new Error(`${root} is not empty: a backup is restored into a directory of its own.`);
  const state = await openStateDirectory(root, options.env['WORKTRAIL_TOOLS_DIR']);
  const lock = await acquireInstanceLock(state.root);
  if (!lock) throw new Error(`Worktrail is starting or running on ${root}.`);
  try {
    return await restoreInto(state, options);
  } catch (error) {
    for (const name of await readdir(state.root)) await rm(join(state.root, name), { recursive: true, force: true });
    throw error;
  } finally {
    await lock.release();
  }
}

async function restoreInto(state: StatePaths, { file, keyFile, env, report }: RestoreOptions): Promise<Manifest> {
  const copies = `${state.clickhouse}-backups`;
  const directory = join(copies, 'restored');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  let manifest!: Manifest;
  await step(report, 'Unpack and check every sum', async () => {
    await mustRun('tar', ['-xf', resolve(file), '-C', directory, '--no-same-owner'], { timeoutMs: UNPACK_TIMEOUT_MS });
    manifest = manifestSchema.parse(JSON.parse(await readFile(join(directory, MANIFEST), 'utf8')));
    const wrong = differences(manifest.files, await sumFiles(directory));
    if (wrong.length > 0) throw new Error(`The backup is damaged: ${wrong.slice(0, 5).join('; ')}.`);
    return { detail: `${Object.keys(manifest.files).length} files of ${manifest.createdAt}` };
  });
  const secrets = await restoreSecrets(state, directory, manifest, keyFile);
  for (const name of ['first-start.json', 'worktrail.yaml']) {
    if (manifest.files[name]) await copyFile(join(directory, name), join(state.root, name));
  }
  await step(report, 'Restore Temporal', () => restoreTemporal(state, directory));
  await step(report, 'Restore ClickHouse', async () => {
    const events = await restoreClickHouse(state, directory);
    const { min, max } = manifest.events;
    if (events < min || events > max) throw new Error(`it has ${events} events, not ${min} to ${max}`);
    return { detail: `${events} events` };
  });
  const held = await holdPorts(HOST, DEFAULT_PORTS);
  try {
    await restoreStreams({ state, secrets, manifest, directory, env, ports: held.ports, report });
  } finally {
    await held.release();
  }
  await rm(copies, { recursive: true, force: true });
  return manifest;
}

async function restoreSecrets(
  state: StatePaths,
  directory: string,
  manifest: Manifest,
  keyFile: string | undefined,
): Promise<ClusterSecrets> {
  if (!manifest.hasSecretsKey && keyFile === undefined) {
    throw new Error('The backup was made without the key of stored secrets: name the file with it by --key-file.');
  }
  const saved = join(directory, 'secrets');
  for (const name of await readdir(saved)) {
    // The namespace is that of its workflows; the id is another one's.
    if (name === 'cluster-id' || name === 'temporal-namespace') continue;
    await copySecret(join(saved, name), join(state.secrets, name));
  }
  if (keyFile !== undefined) await copySecret(keyFile, join(state.secrets, 'secrets-key'));
  await writeFile(join(state.secrets, 'temporal-namespace'), `${manifest.temporalNamespace}\n`, { mode: 0o600 });
  return await openSecrets(state.secrets);
}

async function copySecret(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o600);
}

async function restoreTemporal(state: StatePaths, directory: string): Promise<void> {
  await rename(join(directory, 'temporal.db'), state.temporalDatabase);
  const database = new DatabaseSync(state.temporalDatabase, asTemporalWrites);
  try {
    const [row] = database.prepare('PRAGMA integrity_check').all();
    const answer = Object.values(row ?? {})[0];
    if (answer !== 'ok') throw new Error(`the database is damaged: ${String(answer)}`);
  } finally {
    database.close();
  }
}

async function restoreClickHouse(state: StatePaths, directory: string): Promise<number> {
  const args = [join(SERVICES, 'restore-main.ts'), state.clickhouse, join(directory, 'clickhouse')];
  const { stdout } = await mustRun(process.execPath, args, { timeoutMs: CLICKHOUSE_TIMEOUT_MS });
  return Number(stdout.trim().split('\n').at(-1));
}

interface Restoring {
  state: StatePaths;
  secrets: ClusterSecrets;
  manifest: Manifest;
  directory: string;
  env: NodeJS.ProcessEnv;
  ports: Ports;
  report: Report;
}

async function restoreStreams(restoring: Restoring): Promise<void> {
  const { state, secrets, manifest, directory, env, ports, report } = restoring;
  const server = await startNats(restoring);
  try {
    const user = { user: NATS_USER, pass: secrets.natsPassword };
    const nats = await connect({ servers: `${HOST}:${ports.nats}`, ...user });
    try {
      await step(report, 'Restore NATS', async () => {
        for (const stream of manifest.streams) {
          const found = await restoreSnapshot(nats, stream, join(directory, 'streams', stream.name));
          if (!isSame(stream, found)) {
            const both = `${JSON.stringify(found)} for ${JSON.stringify(stream.state)}`;
            throw new Error(`the stream ${stream.name} is not what was saved: ${both}`);
          }
          await markCreated(nats, stream.name, stream.config.metadata?.[streamCreatedMetadata] ?? stream.created);
        }
        return { detail: `${manifest.streams.length} streams` };
      });
      await step(report, 'Store what the streams have beyond ClickHouse, and read all of it back', async () => {
        const environment = {
          ...env,
          ...traceStoreEnvironment({ state, host: HOST, ports, secrets, logLevel: 'warn' }),
        };
        const service = await startService(environment, join(state.logs, 'restore.log'), ports['trace-store']);
        try {
          const trace = createTraceClient(`http://${HOST}:${ports['trace-store']}`, secrets.internalToken, 60_000);
          return { detail: await readBack(trace, manifest) };
        } finally {
          await stop(service);
        }
      });
      // The next start finds a new incarnation of each.
      for (const { name } of manifest.streams)
        if (name.startsWith('worktrail-events-')) await markCreated(nats, name, null);
    } finally {
      await nats.close();
    }
  } finally {
    await stop(server);
  }
}

/** What is old by now may have gone already where the stream keeps nothing for ever. */
function isSame({ config, state }: Manifest['streams'][number], found: Manifest['streams'][number]['state']): boolean {
  if (found.last_seq !== state.last_seq) return false;
  if (Number(config['max_age'] ?? 0) > 0) return found.messages <= state.messages;
  if (found.messages !== state.messages) return false;
  return state.messages === 0 || (found.bytes === state.bytes && found.first_seq === state.first_seq);
}

async function markCreated(nats: NatsConnection, name: string, created: string | null): Promise<void> {
  const jsm = await jetstreamManager(nats);
  const { config } = await jsm.streams.info(name);
  const { [streamCreatedMetadata]: _, ...others } = config.metadata ?? {};
  const metadata = created === null ? others : { ...others, [streamCreatedMetadata]: created };
  await jsm.streams.update(name, { ...config, metadata });
}

/** What was found. @throws where it is not what was saved */
async function readBack(trace: TraceClient, manifest: Manifest): Promise<string> {
  const ofPartition = (partition: number) => manifest.streams.find(({ name }) => name === eventStream(partition));
  let stored = 0;
  await waitUntil(
    async () => {
      const status = await trace.getStatus({});
      stored = Number(status.events);
      return status.partitions.every((one) => {
        const last = ofPartition(one.partition)?.state.last_seq ?? 0;
        return one.stored !== undefined && Number(one.stored.sequence) >= last;
      });
    },
    { what: 'all of the streams to be stored', timeoutMs: CATCH_UP_TIMEOUT_MS, intervalMs: 200 },
  );
  if (stored < manifest.events.min) throw new Error(`there are ${stored} events, fewer than ${manifest.events.min}`);
  for (const session of manifest.sessions) {
    const { events, sha256 } = await historyDigest(trace, session);
    if (events === session.events && sha256 === session.sha256) continue;
    throw new Error(
      `the history of ${session.sessionId} is not what was saved (${events} of ${session.events} events)`,
    );
  }
  return `${stored} events; the histories of ${manifest.sessions.length} sessions are the same`;
}

async function startNats({ state, secrets, env, ports }: Restoring): Promise<ChildProcess> {
  const { path } = await resolveTool('nats-server', state.tools, env);
  const configPath = join(state.run, 'nats.conf');
  const storeDirectory = state.nats;
  const of = { host: HOST, port: ports.nats, user: NATS_USER, password: secrets.natsPassword, storeDirectory };
  const config = natsConfig({ ...of, serverName: `worktrail-${secrets.clusterId}` });
  await writeFile(configPath, config, { mode: 0o600 });
  return await start(path, ['--config', configPath], env, join(state.logs, 'nats.log'), () =>
    isNatsReady(HOST, ports.nats),
  );
}

function startService(env: NodeJS.ProcessEnv, log: string, port: number): Promise<ChildProcess> {
  const args = ['--enable-source-maps', join(SERVICES, 'main.ts')];
  return start(process.execPath, args, env, log, () => isHttpReady(HOST, port));
}

async function start(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  logPath: string,
  isReady: () => Promise<boolean>,
): Promise<ChildProcess> {
  const log = await open(logPath, 'a', 0o600);
  const child = spawn(program, args, { env, stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${basename(program)} has ended: see ${logPath}`);
  });
  ended.catch(() => undefined);
  try {
    await Promise.race([waitUntil(isReady, { what: basename(program), timeoutMs: START_TIMEOUT_MS }), ended]);
    return child;
  } catch (error) {
    await stop(child);
    throw error;
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exited;
  clearTimeout(timer);
}
