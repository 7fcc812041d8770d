// A Docker engine of the fault suite's own, which can be killed, paused and started again with or without live-restore.
//
// Without live-restore an engine that starts ends the containers that its killed predecessor left running.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanUpDaemon, daemonConfig, planDaemon, prepareDaemon } from '../../deploy/local/src/docker-daemon.ts';
import { engineVersion } from '../../deploy/local/src/docker-engine.ts';
import { removeAllContainers } from '../../deploy/local/src/engine-containers.ts';
import { signalQuietly } from '../../deploy/local/src/process-identity.ts';
import { waitUntil } from '../../deploy/local/src/wait-until.ts';
import { processesWith } from './process-table.ts';

const PROGRAM = '/usr/sbin/dockerd';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export interface OwnEngine {
  readonly socket: string;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL to the engine alone: its containers go on. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGKILL to the engine and to everything that runs below it; mounts and run files go, as when a machine loses power. */
  killAll(): Promise<void>;
  start(liveRestore: boolean): Promise<void>;
  /** Removes every container, ends the engine, and unmounts what it left. */
  stop(): Promise<void>;
}

export function canHaveOwnEngine(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && existsSync(PROGRAM);
}

/** `root` must be short enough for sockets below it. */
export async function openOwnEngine(root: string): Promise<OwnEngine> {
  await mkdir(root, { recursive: true });
  const plan = await planDaemon(root, root);
  let child: ChildProcess | null = null;

  async function start(liveRestore: boolean): Promise<void> {
    await prepareDaemon(plan, root);
    const config = { ...daemonConfig(plan), 'live-restore': liveRestore };
    await writeFile(plan.configPath, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
    const log = await open(join(root, 'dockerd.log'), 'a');
    const stdio = ['ignore', log.fd, log.fd] as const;
    child = spawn(PROGRAM, ['--config-file', plan.configPath], { detached: true, stdio: [...stdio] });
    await once(child, 'spawn');
    await log.close();
    const answers = async () => {
      if (child?.exitCode !== null) throw new Error(`dockerd ended while starting: see ${join(root, 'dockerd.log')}`);
      return (await engineVersion(plan.socket)) !== null;
    };
    await waitUntil(answers, { what: 'dockerd', timeoutMs: START_TIMEOUT_MS });
  }
  async function end(signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
    const ending = child;
    child = null;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = once(ending, 'exit');
    ending.kill(signal);
    const force = setTimeout(() => ending.kill('SIGKILL'), timeoutMs);
    await gone;
    clearTimeout(force);
  }
  const engine: OwnEngine = {
    socket: plan.socket,
    signal: (signal) => void child?.kill(signal),
    kill: () => end('SIGKILL', STOP_TIMEOUT_MS),
    async killAll() {
      await engine.kill();
      for (const { pid } of await processesWith(root)) await killTree(pid);
      const allGone = async () => (await processesWith(root)).length === 0;
      await waitUntil(allGone, { what: 'the engine’s processes to end', timeoutMs: STOP_TIMEOUT_MS });
      await cleanUpDaemon(plan);
      await rm(join(root, 'docker', 'run'), { recursive: true, force: true });
    },
    start,
    async stop() {
      child?.kill('SIGCONT');
      if (child) await removeAllContainers(plan.socket).catch(() => 0);
      await end('SIGTERM', STOP_TIMEOUT_MS);
      await engine.killAll();
    },
  };
  return engine;
}

/** Parents first, so that no parent sees its child end and cleans up after it: nothing does that when a machine loses power. */
async function killTree(pid: number): Promise<void> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const read = (thread: string) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '');
  const children = (await Promise.all(threads.map(read))).join(' ').split(' ').filter(Boolean);
  signalQuietly(pid, 'SIGKILL');
  for (const child of children) await killTree(Number(child));
}
