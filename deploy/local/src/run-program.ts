/**
 * Runs a program to its end, bounded in time and in the output that is kept.
 *
 * A failure names the program, its exit and the last lines it wrote, so that the message alone tells what to do.
 */
import { spawn } from 'node:child_process';

const OUTPUT_TAIL_MAX = 64 * 1024;

export interface ProgramOptions {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Kills the program. */
  signal?: AbortSignal;
}

export interface ProgramResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Resolves with the exit; rejects only when the program cannot be started or does not end in time. */
export function runProgram(program: string, args: string[], options: ProgramOptions): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      signal: options.signal,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (bytes) => (output.stdout = tail(output.stdout + bytes)));
    child.stderr.on('data', (bytes) => (output.stderr = tail(output.stderr + bytes)));
    child.once('error', (cause) =>
      reject(
        new Error(`${program} could not be started: ${cause.message}`, {
          cause,
        }),
      ),
    );
    child.once('close', (exitCode, signal) => {
      if (signal === 'SIGKILL' && child.killed) {
        reject(new Error(`${program} did not end within ${options.timeoutMs / 1000} s and was stopped.`));
        return;
      }
      resolve({ exitCode, ...output });
    });
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
