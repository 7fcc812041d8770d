/** The supervisor over a real nats-server and a real Temporal; the four services are stand-ins. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startStandInCluster } from '../test/start-stand-in-cluster.ts';
import type { Cluster } from './cluster.ts';
import { type Connection, readConnection } from './connection-file.ts';
import { identifyProcess } from './process-identity.ts';
import type { ProgressEvent } from './progress.ts';
import { isTemporalReady } from './temporal-readiness.ts';

const started: Cluster[] = [];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-cluster-');
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((cluster) => cluster.stop()));
  await rm(directory, { recursive: true, force: true });
});

async function start(name = 'a', options: Parameters<typeof startStandInCluster>[1] = {}): Promise<Cluster> {
  const cluster = await startStandInCluster(join(directory, name), options);
  started.push(cluster);
  return cluster;
}

async function livePids(connection: Connection): Promise<number[]> {
  const pids = Object.values(connection.pids).filter((pid) => pid !== process.pid);
  const identities = await Promise.all(pids.map(identifyProcess));
  return pids.filter((_, index) => identities[index] !== null);
}

describe('a cluster', () => {
  test('is described by connection.json with mode 0600 while it runs, and leaves neither file nor process', async () => {
    const cluster = await start();
    const path = cluster.state.connection;
    expect(await readConnection(path)).toEqual(cluster.connection);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(cluster.connection).toMatchObject({ apiKey: 'wt_1_secret', organizationId: 'org_1', projectId: null });
    expect(await livePids(cluster.connection)).toHaveLength(6);
    const { connection } = cluster;
    await cluster.stop();
    expect(await readConnection(path)).toBeNull();
    expect(await livePids(connection)).toEqual([]);
  });

  test('refuses a second start on its directory and says where it is', async () => {
    const cluster = await start();
    await expect(start()).rejects.toThrow(`runs already on ${cluster.state.root}: ${cluster.connection.apiUrl}`);
    expect(await livePids(cluster.connection)).toHaveLength(6);
  });

  test('tells every mistake of the configuration before anything starts, and which file is in force', async () => {
    const path = join(directory, 'a', 'worktrail.yaml');
    const events: ProgressEvent[] = [];
    const env = { WORKTRAIL_CEILINGS_PIDS: 'many', WORKTRAIL_DEFAULTS_MEMORY_MB: '1024' };
    const options = { env, onProgress: (event: ProgressEvent) => void events.push(event) };
    await mkdir(join(directory, 'a'));
    await writeFile(path, 'defaults: {cpus: lots}\n');
    await expect(start('a', options)).rejects.toThrow(/worktrail.yaml: defaults.cpus[^]*WORKTRAIL_CEILINGS_PIDS/);
    expect(events.map(({ title }) => title)).toEqual(['Read the configuration']);

    await writeFile(path, 'defaults: {cpus: 1}\n');
    const cluster = await start('a', { ...options, env: { ...env, WORKTRAIL_CEILINGS_PIDS: '' } });
    const told = events.filter(({ kind, title }) => kind === 'done' && title === 'Read the configuration');
    expect(told).toMatchObject([{ detail: `${path}, over it WORKTRAIL_DEFAULTS_MEMORY_MB` }]);
    expect(cluster.connection.configPath).toBe(path);
  });

  test('keeps its key from start to start and makes the organization once', async () => {
    const first = await start();
    expect(first.isFirstStart).toBe(true);
    await first.stop();
    const second = await start();
    expect(second.isFirstStart).toBe(false);
    expect(second.connection.apiKey).toBe(first.connection.apiKey);
    const gatewayLog = await readFile(join(second.state.logs, 'gateway.log'), 'utf8');
    expect(gatewayLog.match(/POST \/v1\/organizations/g)).toHaveLength(1);
  });

  test('restarts a killed process on its port and rewrites connection.json', async () => {
    const notes: ProgressEvent[] = [];
    const cluster = await start('a', { onProgress: (event) => notes.push(event) });
    const before = cluster.connection;
    for (const name of ['orchestrator', 'nats'] as const) {
      cluster.kill(name, 'SIGKILL');
      await cluster.whenReady(name);
    }
    expect(cluster.connection.pids.orchestrator).not.toBe(before.pids.orchestrator);
    expect(cluster.connection.pids.nats).not.toBe(before.pids.nats);
    expect(cluster.connection.addresses).toEqual(before.addresses);
    expect(await readConnection(cluster.state.connection)).toEqual(cluster.connection);
    expect(notes).toContainEqual({ kind: 'note', title: expect.stringContaining('nats ended (signal SIGKILL)') });
  });

  test('asks the sandbox-runner to hibernate before anything ends, then stops the gateway first', async () => {
    const cluster = await start();
    await cluster.stop();
    const logged = async (name: string, what: string) => {
      const log = await readFile(join(cluster.state.logs, `${name}.log`), 'utf8');
      return Number(new RegExp(`${what} at (\\d+)`).exec(log)?.[1]);
    };
    const hibernatedAt = await logged('sandbox-runner', 'POST /stop-cluster 200');
    const endedAt = await Promise.all(
      ['gateway', 'sandbox-runner', 'orchestrator', 'trace-store'].map((name) => logged(name, 'SIGTERM')),
    );
    const order = [hibernatedAt, ...endedAt];
    expect(order.every(Number.isFinite)).toBe(true);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  /** How long the stop of one takes whose every process hangs. */
  async function stopHanging(): Promise<number> {
    const cluster = await start();
    const { connection } = cluster;
    const pids = await livePids(connection);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const startedAt = performance.now();
    await cluster.stop();
    const tookMs = performance.now() - startedAt;
    expect(pids).toHaveLength(6);
    expect(await livePids(connection)).toEqual([]);
    expect(await readConnection(cluster.state.connection)).toBeNull();
    return tookMs;
  }

  test('whose every process hangs is stopped within 15 s, and nothing is left', async () => {
    // Once a busy machine may be late by itself.
    let tookMs = await stopHanging();
    for (let tries = 1; tries < 3 && tookMs >= 15_000; tries += 1) tookMs = await stopHanging();
    expect(tookMs).toBeLessThan(15_000);
  });

  test('that does not come up ends what it started and shows the log of what broke', async () => {
    const pids: number[] = [];
    const onProgress = (event: ProgressEvent) => {
      const pid = event.kind === 'done' ? /process (\d+)/.exec(event.detail)?.[1] : undefined;
      if (pid) pids.push(Number(pid));
    };
    const broken = start('a', { onProgress, env: { STAND_IN_BROKEN: 'stand-in-service' } });
    await expect(broken).rejects.toThrow(/trace-store did not start \(exit code 3\)[^]*told to break/);
    expect(pids.length).toBeGreaterThan(0);
    expect((await Promise.all(pids.map(identifyProcess))).filter((identity) => identity !== null)).toEqual([]);
  });

  test('runs beside another one that starts in the same moment', async () => {
    const [a, b] = await Promise.all([start('a'), start('b')]);
    const addresses = [a, b].flatMap(({ connection }) => [connection.apiUrl, ...Object.values(connection.addresses)]);
    const ports = addresses.map((address) => /:(\d+)$/.exec(address)?.[1]);
    expect(new Set(ports).size).toBe(12);
    await a.stop();
    expect(await livePids(b.connection)).toHaveLength(6);
  });

  test('has a Temporal that refuses who comes from another cluster', async () => {
    const [a, b] = await Promise.all([start('a'), start('b')]);
    const [host = '', port] = a.connection.addresses.temporal.split(':');
    const admits = (cluster: Cluster) => isTemporalReady(host, Number(port), cluster.connection.temporalNamespace);
    expect(await admits(a)).toBe(true);
    expect(await admits(b)).toBe(false);
  });

  test('starts again after its supervisor was killed, and ends what that one left', async () => {
    const script = join(import.meta.dirname, '../test/start-stand-in-cluster.ts');
    const first = spawn(process.execPath, [script, join(directory, 'a')], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(first.stdout, 'data');
    const left = (await readConnection(join(directory, 'a', 'connection.json'))) as Connection;
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(await livePids(left)).toHaveLength(6);
    const cluster = await start();
    expect(await livePids(left)).toEqual([]);
    expect(cluster.isFirstStart).toBe(false);
    expect(await livePids(cluster.connection)).toHaveLength(6);
  });
});
