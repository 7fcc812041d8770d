/**
 * Runs a program to its end, bounded in time and in the output that is kept.
 *
 * A failure names the program, its exit and the last lines it wrote, so that the message alone tells what to do.
 */
import { spawn } from 'node:child_process';
import { signalQuietly } from './process-identity.ts';

const OUTPUT_TAIL_MAX = 64 * 1024;

export interface ProgramOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Kills the program. */
  signal?: AbortSignal;
  /** The program gets a process group of its own, and whatever it left in there is ended with it. */
  ownGroup?: boolean;
}

export interface ProgramResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** From TERM to KILL when a program is stopped: time for it to unmount and remove what it made. */
const CLEAN_UP_TIMEOUT_MS = 10_000;

/**
 * Resolves with the exit. Rejects when the program cannot be started, does not end in time, or the signal aborts; in each case only
 * after it is gone.
 */
export function runProgram(program: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const { cwd, env = process.env, ownGroup = false, signal, timeoutMs } = options;
    const child = spawn(program, args, { cwd, env, detached: ownGroup, stdio: ['ignore', 'pipe', 'pipe'] });
    const endGroup = () => {
      if (ownGroup && child.pid) signalQuietly(-child.pid, 'SIGKILL');
    };
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (bytes) => (output.stdout = tail(output.stdout + bytes)));
    child.stderr.on('data', (bytes) => (output.stderr = tail(output.stderr + bytes)));

    let stoppedBecause: Error | null = null;
    let killTimer: NodeJS.Timeout | undefined;
    const stop = (because: Error) => {
      stoppedBecause ??= because;
      child.kill('SIGTERM');
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), CLEAN_UP_TIMEOUT_MS);
    };
    const timer = setTimeout(
      () => stop(new Error(`${program} did not end within ${timeoutMs / 1000} s and was stopped.`)),
      timeoutMs,
    );
    const onAbort = () => stop(new Error(`${program} was stopped: nobody waits for it any more.`));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    child.once('error', (cause) =>
      settle(() => reject(new Error(`${program} could not be started: ${cause.message}`, { cause }))),
    );
    child.once('exit', endGroup);
    child.once('close', (exitCode) =>
      settle(() => (stoppedBecause ? reject(stoppedBecause) : resolve({ exitCode, ...output }))),
    );
  });
}

/** Like runProgram, but an exit other than 0 is an error with the program's last words. */
export async function mustRun(program: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  const result = await runProgram(program, args, options);
  if (result.exitCode === 0) return result;
  const words = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-8).join('\n');
  throw new Error(`${program} ${args[0] ?? ''} ended with exit code ${result.exitCode}:\n${words}`);
}

function tail(text: string): string {
  return text.length > OUTPUT_TAIL_MAX ? text.slice(-OUTPUT_TAIL_MAX) : text;
}
