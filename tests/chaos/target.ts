// What the faults hit: a cluster in processes of its own, its engine, and proxies between all of its parts.
//
// Everything is below one directory, and gone when it was stopped. Clients come through `apiUrl`, which stays the same over restarts.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type SocketProxy, startSocketProxy } from '@worktrail/testing/socket-proxy';
import Docker from 'dockerode';
import { type Connection, PID_NAMES, readConnection } from '../../deploy/local/src/connection-file.ts';
import { identifyProcess, signalQuietly } from '../../deploy/local/src/process-identity.ts';
import { waitUntil } from '../../deploy/local/src/wait-until.ts';
import type { ClusterProcessOptions } from './cluster-process.ts';
import type { Component, FaultProcess } from './faults.ts';
import { type Links, openLinks } from './links.ts';
import { openOwnEngine, type OwnEngine } from './own-engine.ts';
import { createSecondRunner, type SecondRunner } from './second-runner.ts';
import { startTcpProxy } from './tcp-proxy.ts';

/** The sandbox image is built meanwhile: an engine of its own has none. */
const START_TIMEOUT_MS = 900_000;
const STOP_TIMEOUT_MS = 60_000;
const RESTART_TIMEOUT_MS = 60_000;

export interface Target {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly repositoryRoot: string;
  readonly docker: Docker;
  /** Null where the engine is not the target's own. */
  readonly engine: OwnEngine | null;
  /** Between the runner and the engine. */
  readonly engineProxy: SocketProxy;
  readonly links: Links;
  readonly secondRunner: SecondRunner;
  /** SIGKILL; resolves when the process is gone. */
  kill(name: FaultProcess): Promise<void>;
  signal(name: FaultProcess, signal: NodeJS.Signals): Promise<void>;
  /** SIGKILL to every process of the cluster at once. */
  killCluster(): Promise<void>;
  /** Starts the cluster again; resolves when it answers. */
  startCluster(): Promise<void>;
  /** An orderly stop of the cluster; the engine stays. */
  stopCluster(): Promise<void>;
  /** After everything else: the engine and the proxies. */
  close(): Promise<void>;
}

export async function startTarget(directory: string, ownEngine: boolean, env: NodeJS.ProcessEnv = {}): Promise<Target> {
  const stateDirectory = join(directory, 'state');
  const repositoryRoot = join(directory, 'repositories');
  await mkdir(repositoryRoot, { recursive: true });
  const connection = () => readConnection(join(stateDirectory, 'connection.json'));
  const engine = ownEngine ? await openOwnEngine(join(directory, 'engine')) : null;
  await engine?.start(true);
  const engineSocket = engine?.socket ?? process.env['WORKTRAIL_DOCKER_SOCKET']!;
  const engineProxy = await startSocketProxy(join(directory, 'docker.sock'), engineSocket);
  // While the cluster is down another one on this machine may have taken its port.
  let isUp = false;
  const gatewayProxy = await startTcpProxy(async () => (isUp ? addressOf((await connection())?.apiUrl) : null));
  const links = await openLinks(join(directory, 'links'), gatewayProxy);
  const options: ClusterProcessOptions = {
    stateDirectory,
    repositoryRoots: [repositoryRoot],
    serviceEntries: links.entries,
    env: {
      WORKTRAIL_DOCKER_SOCKET: engineProxy.path,
      ...env,
      CHAOS_LINKS: JSON.stringify(links.plan),
      // The image of another engine is not in this one.
      ...(engine ? { WORKTRAIL_SANDBOX_IMAGE: '' } : {}),
    },
  };
  const secondRunner = createSecondRunner({ directory, links, engineSocket });
  let child: ChildProcess | null = null;

  async function startCluster(): Promise<void> {
    child = await spawnCluster(options, join(directory, 'cluster.log'));
    isUp = true;
  }
  async function pidOf(name: FaultProcess): Promise<number> {
    let pid: number | null = null;
    const isThere = async () => {
      pid = (await connection())?.pids[PID_NAMES[name]] ?? null;
      return pid !== null && (await identifyProcess(pid)) !== null;
    };
    await waitUntil(isThere, { what: `a process of ${name}`, timeoutMs: RESTART_TIMEOUT_MS });
    return pid!;
  }

  async function close(): Promise<void> {
    await links.close();
    await engineProxy.close();
    await engine?.stop();
  }

  try {
    await startCluster();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    apiUrl: `http://127.0.0.1:${gatewayProxy.port}`,
    apiKey: ((await connection()) as Connection).apiKey,
    directory,
    stateDirectory,
    repositoryRoot,
    docker: new Docker({ socketPath: engineSocket }),
    engine,
    engineProxy,
    links,
    secondRunner,
    async kill(name) {
      const pid = await pidOf(name);
      signalQuietly(pid, 'SIGKILL');
      await gone([pid]);
      links.drop(name);
    },
    signal: async (name, signal) => signalQuietly(await pidOf(name), signal),
    async killCluster() {
      isUp = false;
      const pids = Object.entries((await connection())!.pids).flatMap(([name, pid]) => (name === 'dockerd' ? [] : pid));
      for (const pid of pids) signalQuietly(pid, 'SIGKILL');
      await gone(pids);
    },
    startCluster,
    async stopCluster() {
      await secondRunner.stop();
      if (child) await stopChild(child);
    },
    close,
  };
}

function addressOf(url: string | undefined) {
  if (!url) return null;
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

async function gone(pids: number[]): Promise<void> {
  const allGone = async () => (await Promise.all(pids.map(identifyProcess))).every((identity) => identity === null);
  await waitUntil(allGone, { what: 'killed processes to be gone', timeoutMs: RESTART_TIMEOUT_MS, intervalMs: 10 });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(force);
}

async function spawnCluster(options: ClusterProcessOptions, logPath: string): Promise<ChildProcess> {
  const log = openSync(logPath, 'a');
  const program = join(import.meta.dirname, 'cluster-process.ts');
  const args = ['--enable-source-maps', program, JSON.stringify(options)];
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', log] });
  const exited = once(child, 'exit').then(() => Promise.reject(new Error(`the cluster did not start: see ${logPath}`)));
  const up = new Promise<void>((resolve) => child.stdout!.once('data', () => resolve()));
  const late = AbortSignal.timeout(START_TIMEOUT_MS);
  const tooLate = new Promise<never>((_, reject) => {
    late.addEventListener('abort', () => reject(new Error(`the cluster is not up in time: see ${logPath}`)));
  });
  exited.catch(() => undefined);
  try {
    await Promise.race([up, exited, tooLate]);
  } catch (error) {
    // In an orderly way: its services are processes of their own.
    await stopChild(child);
    throw error;
  }
  tooLate.catch(() => undefined);
  return child;
}

export function isProcess(component: Component): component is FaultProcess {
  return !['dockerd', 'sandbox', 'cluster', 'machine', 'runner'].includes(component);
}
