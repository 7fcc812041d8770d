// git of the host in a bare repository of the runner's own, with raw bytes in and out. What it is given to read may be hostile: time,
// memory and output are bounded.

import { createReadStream, createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { programEnvironment } from '../host/program-environment.ts';
import type { StartProgram } from '../host/program-start.ts';

export interface StoreGitOptions {
  signal: AbortSignal;
  /** Bytes, or a file to read from its beginning. */
  stdin?: string | { fd: number } | { stream: NodeJS.ReadableStream };
  /** Instead of being answered: into a file, or given piece by piece, as fast as they are taken. */
  stdout?: { fd: number; from?: number } | { take: (chunk: Buffer) => Promise<void> };
  /** More output is an error. */
  stdoutBytesMax?: number;
  /** Instead: it is cut there. */
  stdoutCut?: boolean;
  timeoutMs?: number;
  env?: Record<string, string>;
}

export class GitFailed extends Error {
  override readonly name = 'GitFailed';
  /** Where git ended by itself, and what it had printed. */
  readonly exitCode: number | undefined;
  readonly stdout: Buffer;
  constructor(message: string, options: { cause?: unknown; exitCode?: number; stdout?: Buffer } = {}) {
    super(message, options);
    this.exitCode = options.exitCode;
    this.stdout = options.stdout ?? Buffer.alloc(0);
  }
}

/** The output grew beyond what was asked for. */
export class TooMuchOutput extends Error {
  override readonly name = 'TooMuchOutput';
}

/** Answers what git printed. @throws GitFailed with git's last words, TooMuchOutput, or the signal's reason. */
export type StoreGit = (args: string[], options: StoreGitOptions) => Promise<Buffer>;

const memoryKilobytesMax = 4 * 1024 * 1024;
const configuration = [
  'core.hooksPath=/dev/null',
  'core.bigFileThreshold=16m',
  'core.packedGitWindowSize=32m',
  'core.packedGitLimit=512m',
  'core.logAllRefUpdates=false',
  'core.attributesFile=/dev/null',
  'core.fsmonitor=false',
  // A store that a power cut has damaged is made again from what is in the artifact store; a sync waits for all that others write.
  'core.fsync=none',
  'gc.auto=0',
  'pack.threads=1',
  'pack.windowMemory=128m',
  'diff.renameLimit=1000',
  'transfer.fsckObjects=true',
].flatMap((entry) => ['-c', entry]);
const program = `ulimit -v ${memoryKilobytesMax} 2> /dev/null; exec git "$@"`;
const stderrBytesMax = 16_384;
const defaultStdoutBytesMax = 1_048_576;
const defaultTimeoutMs = 300_000;

export function createStoreGit(path: string, start: StartProgram): StoreGit {
  const own = {
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_DIR: path,
  };
  return async (args, options) => {
    const {
      signal,
      stdin,
      stdout,
      stdoutBytesMax = defaultStdoutBytesMax,
      stdoutCut = false,
      timeoutMs = defaultTimeoutMs,
      env,
    } = options;
    signal.throwIfAborted();
    const over = new AbortController();
    const ending = AbortSignal.any([signal, over.signal, AbortSignal.timeout(timeoutMs)]);
    const child = start({
      file: 'sh',
      args: ['-c', program, 'git', ...configuration, ...args],
      env: programEnvironment({ ...own, ...env }),
      stdin: stdin !== undefined,
    });
    ending.addEventListener('abort', child.kill, { once: true });
    const out: Buffer[] = [];
    let bytes = 0;
    const collect = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= stdoutBytesMax) out.push(chunk);
      else {
        if (bytes - chunk.length < stdoutBytesMax) out.push(chunk.subarray(0, stdoutBytesMax - bytes + chunk.length));
        over.abort(new TooMuchOutput(`git ${args[0]} printed more than ${stdoutBytesMax} bytes`));
      }
    };
    let taken: Promise<unknown> | undefined;
    if (!stdout) child.stdout.on('data', collect);
    else if ('take' in stdout) taken = takeAll(child.stdout, stdout.take);
    else {
      const file = createWriteStream('', {
        fd: stdout.fd,
        autoClose: false,
        ...(stdout.from !== undefined && { start: stdout.from }),
      });
      taken = finished(child.stdout.pipe(file));
    }
    taken = taken?.catch((error: unknown) => over.abort(error));
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('latin1')).slice(-stderrBytesMax);
    });
    if (typeof stdin === 'object') {
      const input: NodeJS.ReadableStream =
        'fd' in stdin ? createReadStream('', { fd: stdin.fd, autoClose: false, start: 0 }) : stdin.stream;
      input.on('error', (error: unknown) => over.abort(error));
      input.pipe(child.stdin!);
    } else child.stdin?.end(stdin);
    let code: number | null = null;
    let failure: unknown;
    try {
      code = await child.ended;
    } catch (error) {
      failure = error;
    } finally {
      ending.removeEventListener('abort', child.kill);
    }
    await taken;
    signal.throwIfAborted();
    if (over.signal.aborted) {
      if (stdoutCut && over.signal.reason instanceof TooMuchOutput) return Buffer.concat(out);
      throw over.signal.reason;
    }
    if (failure === undefined && code === null) failure = ending.reason ?? new Error('ended by a signal');
    if (failure !== undefined) throw new GitFailed(`git ${args[0]} did not end by itself`, { cause: failure });
    if (code === 0) return Buffer.concat(out);
    throw new GitFailed(
      `git ${args[0]} ended with ${code}: ${said.trim().split('\n').slice(-3).join('; ').slice(-500)}`,
      { ...(code !== null && { exitCode: code }), stdout: Buffer.concat(out) },
    );
  };
}

async function takeAll(output: AsyncIterable<Buffer>, take: (chunk: Buffer) => Promise<void>): Promise<void> {
  for await (const chunk of output) await take(chunk);
}
