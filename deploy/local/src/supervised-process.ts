/**
 * One process that is kept running.
 *
 * - It runs in a process group of its own: a Ctrl-C on the terminal reaches only the supervisor, and stragglers go with it.
 * - It counts as started when its ready check answers; a start that fails three times is an error with the end of its log.
 * - From then on an exit that nobody asked for is reported and answered by a restart, with a growing, bounded delay, for ever.
 * - Its identity is handed on at every start before anything else happens: the program itself begins only after that, so that none runs
 *   that is not recorded, whenever this process is killed.
 */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { abortable } from './abortable.ts';
import { logTail } from './log-files.ts';
import { identifyProcess, type ProcessIdentity, signalQuietly } from './process-identity.ts';
import type { ProcessName } from './process-names.ts';
import type { Report } from './progress.ts';
import { countFailure, restartDelayMs } from './restart-delay.ts';
import { waitUntil } from './wait-until.ts';

const START_ATTEMPTS_MAX = 3;

/** After KILL only the kernel keeps a process: it is not waited for longer than this. */
const KILLED_TIMEOUT_MS = 1_000;

/**
 * Becomes the program once it reads a line on its stdin; where that is closed first, because who spawned it has gone, it ends. The
 * process keeps its number and its start time.
 */
const GATE = 'read -r go && exec "$@" < /dev/null';

export interface ProcessSpec {
  name: ProcessName;
  program: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  logPath: string;
  /** One probe of a real endpoint. */
  isReady: () => Promise<boolean>;
  readyTimeoutMs: number;
  /** From TERM to KILL. */
  stopTimeoutMs: number;
  /** Runs before every start, for what a killed predecessor left. */
  prepare?: () => Promise<void>;
}

export interface SupervisedProcess {
  readonly name: ProcessName;
  readonly stopTimeoutMs: number;
  /** Null while it does not run. */
  pid(): number | null;
  /** Resolves when it was ready for the first time. */
  start(): Promise<void>;
  /** Resolves when its check answers, after a restart too. */
  whenReady(): Promise<void>;
  /** A signal as from outside: the process is restarted if it ends by it. */
  kill(signal: NodeJS.Signals): void;
  /** Ends it for good: TERM, and KILL after the time. Resolves soon after that, whatever hangs. */
  stop(timeoutMs: number): Promise<void>;
}

interface Run {
  identity: ProcessIdentity | null;
  exited: Promise<string>;
  hasExited: boolean;
  readyAt: number | null;
  /** Lets the program begin. */
  release(): void;
}

export function createSupervisedProcess(
  spec: ProcessSpec,
  report: Report,
  onSpawn: (name: ProcessName, identity: ProcessIdentity) => Promise<void>,
): SupervisedProcess {
  let current: Run | null = null;
  let ready = Promise.withResolvers<void>();
  let isUp = false;
  let loop: Promise<void> | null = null;
  const stopping = new AbortController();

  async function keepRunning(): Promise<void> {
    let failures = 0;
    let everReady = false;
    while (!stopping.signal.aborted) {
      const run = (current = await launch(spec, onSpawn, stopping.signal));
      const timeoutMs = everReady ? Number.POSITIVE_INFINITY : spec.readyTimeoutMs;
      const answers = await becomesReady(run, spec, timeoutMs, stopping.signal);
      if (stopping.signal.aborted) return await endRun(run, spec.stopTimeoutMs);
      if (answers) {
        run.readyAt = performance.now();
        if (everReady) report({ kind: 'note', title: `${spec.name} is ready again (process ${run.identity?.pid})` });
        everReady = true;
        isUp = true;
        ready.resolve();
      } else {
        await endRun(run, spec.stopTimeoutMs);
      }
      const how = await run.exited;
      if (stopping.signal.aborted) return;
      expectReady();
      failures = countFailure(failures, run.readyAt === null ? 0 : performance.now() - run.readyAt);
      if (!everReady && failures >= START_ATTEMPTS_MAX) throw await startError(spec, how);
      const waitMs = restartDelayMs(failures);
      report({ kind: 'note', title: `${spec.name} ended (${how}); starting it again in ${waitMs / 1000} s` });
      await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  /** From now on whenReady waits for the next start. */
  function expectReady(): void {
    if (!isUp) return;
    isUp = false;
    ready = Promise.withResolvers();
    ready.promise.catch(() => undefined);
  }

  ready.promise.catch(() => undefined);
  return {
    name: spec.name,
    stopTimeoutMs: spec.stopTimeoutMs,
    pid: () => (current && !current.hasExited ? (current.identity?.pid ?? null) : null),
    start() {
      loop ??= keepRunning().catch((error) => ready.reject(error));
      return ready.promise;
    },
    async whenReady() {
      await ready.promise;
      await waitUntil(spec.isReady, { what: spec.name, timeoutMs: spec.readyTimeoutMs });
    },
    kill(signal) {
      if (!current?.identity || current.hasExited) return;
      if (signal === 'SIGKILL') expectReady();
      signalQuietly(current.identity.pid, signal);
    },
    async stop(timeoutMs) {
      stopping.abort();
      ready.reject(new Error(`${spec.name} was stopped.`));
      const end = async () => {
        if (current) await endRun(current, timeoutMs);
        await loop;
      };
      await Promise.race([end(), delay(timeoutMs + KILLED_TIMEOUT_MS, undefined, { ref: false })]);
    },
  };
}

/** Never rejects: what keeps a process from being started, or from being recorded, is told as its end, and tried again like one. */
async function launch(
  spec: ProcessSpec,
  onSpawn: (name: ProcessName, identity: ProcessIdentity) => Promise<void>,
  stopping: AbortSignal,
): Promise<Run> {
  let run: Run | null = null;
  try {
    await spec.prepare?.();
    run = await spawnProcess(spec);
    if (run.identity) await onSpawn(spec.name, run.identity);
    stopping.throwIfAborted();
    run.release();
    return run;
  } catch (error) {
    if (run?.identity) signalQuietly(-run.identity.pid, 'SIGKILL');
    await run?.exited;
    return { ...createRun(), exited: Promise.resolve((error as Error).message), hasExited: true };
  }
}

async function spawnProcess(spec: ProcessSpec): Promise<Run> {
  const log = await open(spec.logPath, 'a', 0o600);
  try {
    const { program, args, cwd, env } = spec;
    const gated = ['-c', GATE, 'sh', program, ...args];
    const child = spawn('/bin/sh', gated, { cwd, env, detached: true, stdio: ['pipe', log.fd, log.fd] });
    child.stdin?.on('error', () => undefined); // it ended before it was let go: its exit tells
    const run: Run = { ...createRun(), release: () => child.stdin?.end('go\n') };
    run.exited = new Promise((resolve) => {
      const end = (how: string) => {
        run.hasExited = true;
        if (child.pid) signalQuietly(-child.pid, 'SIGKILL');
        resolve(how);
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ? `signal ${signal}` : `exit code ${code}`));
    });
    run.identity = child.pid ? await identifyProcess(child.pid) : null;
    return run;
  } finally {
    await log.close();
  }
}

function createRun(): Run {
  return { identity: null, exited: Promise.resolve(''), hasExited: false, readyAt: null, release: () => undefined };
}

/** True once the check answers; false when the process ended, the time passed or a stop came first. */
async function becomesReady(run: Run, spec: ProcessSpec, timeoutMs: number, stopping: AbortSignal): Promise<boolean> {
  const condition = async () => run.hasExited || (await spec.isReady());
  const limits = { what: spec.name, timeoutMs, signal: stopping };
  const answered = await abortable(waitUntil(condition, limits), stopping).then(
    () => true,
    () => false,
  );
  return answered && !run.hasExited;
}

async function endRun(run: Run, timeoutMs: number): Promise<void> {
  if (run.hasExited || !run.identity) return;
  signalQuietly(run.identity.pid, 'SIGTERM');
  const timeout = new AbortController();
  const expired = delay(timeoutMs, 'expired', { signal: timeout.signal }).catch(() => 'canceled');
  if ((await Promise.race([run.exited, expired])) === 'expired') signalQuietly(-run.identity.pid, 'SIGKILL');
  timeout.abort();
  await run.exited;
}

async function startError(spec: ProcessSpec, how: string): Promise<Error> {
  const tail = await logTail(spec.logPath, 30);
  return new Error(`${spec.name} did not start (${how}). The end of ${spec.logPath}:\n${tail}`);
}
