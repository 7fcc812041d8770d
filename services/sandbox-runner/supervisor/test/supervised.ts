// A real supervisor outside a container, for tests: its own run directory and work tree, commands as uid 1000 when the test runs as root.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EndFrame, JournalFrame, JournalStream } from '../../src/supervision/journal-format.ts';
import { openJournal } from '../../src/supervision/journal-reader.ts';
import { createFifoSender } from '../../src/supervision/supervisor-control.ts';
import { createRunDirectory, openSupervisorLink, type SupervisorLink } from '../../src/supervision/supervisor-link.ts';
import type { CommandSpec } from '../../src/supervision/supervisor-request.ts';
import { buildSupervisor, supervisorSourceHash } from '../build.mjs';

export const isRoot = process.getuid?.() === 0;
const patienceMs = 60_000;
const stopPatienceMs = 8000;

export type Supervised = {
  link: SupervisorLink;
  runDirectory: string;
  workspace: string;
  /** The process that was spawned: the supervisor, or the wrapper it was started under. */
  process: ChildProcess;
  /** A command line for `bash -c`, in the work tree. */
  bash(script: string, more?: Partial<CommandSpec>): CommandSpec;
  send(line: string): Promise<void>;
  status(): Promise<Record<string, number>>;
  /** Ends the process with SIGKILL and starts another one on the same directory. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

/** `forks`: the wrapper stays, as the supervisor's parent. `relayPort`: it has a relay, on this port and the two after it. */
export type SupervisedOptions = {
  binary?: string;
  wrapper?: string[];
  args?: string[];
  forks?: boolean;
  relayPort?: number;
};

/** The static program of the sources as they are, built once for all test files. */
export async function builtSupervisor(): Promise<string> {
  const hash = await supervisorSourceHash();
  const outputPath = join(tmpdir(), `worktrail-test-supervisor-${hash.slice(0, 16)}`, 'supervisor');
  return (await buildSupervisor({ outputPath })).outputPath;
}

export async function startSupervised(options: SupervisedOptions = {}): Promise<Supervised> {
  const binary = options.binary ?? (await builtSupervisor());
  const directory = await mkdtemp(join(tmpdir(), 'wt-supervised-'));
  await chmod(directory, 0o755);
  const runDirectory = join(directory, 'run');
  const workspace = join(directory, 'workspace');
  await createRunDirectory(runDirectory);
  await mkdir(workspace);
  const relay = options.relayPort === undefined ? [] : ['--relay-port', String(options.relayPort)];
  if (relay.length > 0) await mkdir(join(runDirectory, 'egress'), { mode: 0o711 });
  if (isRoot) await chown(workspace, 1000, 1000);

  const link = openSupervisorLink({ runDirectory });
  const send = createFifoSender(runDirectory);
  const start = async () => {
    await link.clearBoot();
    const words = [
      ...(options.wrapper ?? []),
      binary,
      '--run',
      runDirectory,
      '--root',
      workspace,
      ...relay,
      ...(options.args ?? []),
    ];
    const child = spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] });
    await link.waitForBoot({ timeoutMs: patienceMs });
    return child;
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    const pid = options.forks ? firstChildOf(child.pid ?? 0) : (child.pid ?? 0);
    process.kill(pid, signal);
    const overdue = setTimeout(() => process.kill(pid, 'SIGKILL'), stopPatienceMs);
    await ended;
    clearTimeout(overdue);
  };

  const supervised: Supervised = {
    link,
    runDirectory,
    workspace,
    process: await start(),
    bash: (script, more = {}) => ({
      id: freshId(),
      argv: ['/bin/bash', '-c', script],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: workspace,
      ...more,
    }),
    send,
    status: () => readStatus(runDirectory, send),
    async restart() {
      await end(supervised.process, 'SIGKILL');
      supervised.process = await start();
    },
    async close() {
      link.close();
      await end(supervised.process, 'SIGTERM');
      await rm(directory, { recursive: true, force: true });
    },
  };
  return supervised;
}

/** Namespaces need more than being root: a container around the tests may forbid them. */
export function canRunUnder(wrapper: string[]): boolean {
  if (!isRoot) return false;
  try {
    execFileSync(wrapper[0] ?? '', [...wrapper.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function firstChildOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
}

export function freshId(): string {
  return `cmd_${BigInt(`0x${randomBytes(20).toString('hex')}`)
    .toString(36)
    .padStart(26, '0')
    .slice(-26)}`;
}

/** Asks for the counters and waits until the file that answers is there. */
async function readStatus(
  runDirectory: string,
  send: (line: string) => Promise<void>,
): Promise<Record<string, number>> {
  const path = join(runDirectory, 'status');
  await rm(path, { force: true });
  await send('status');
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; ) {
    const content = await readFile(path, 'utf8').catch(() => undefined);
    if (content !== undefined) return Object.fromEntries(content.trim().split('\n').map(entry));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the supervisor did not write its status');
}

function entry(line: string): [string, number] {
  const [name = '', value = ''] = line.split(' ');
  return [name, Number(value)];
}

export type Finished = { frames: JournalFrame[]; stdout: string; stderr: string; both: string; end: EndFrame };

/** Follows a command to its end, acknowledging nothing. */
export async function finish(link: SupervisorLink, id: string): Promise<Finished> {
  const frames: JournalFrame[] = [];
  for await (const frame of link.follow(id, { signal: AbortSignal.timeout(patienceMs) })) frames.push(frame);
  const end = frames.at(-1);
  if (end?.type !== 'end') throw new Error('the journal ended without its end');
  return {
    frames,
    stdout: outputOf(frames, 'stdout'),
    stderr: outputOf(frames, 'stderr'),
    both: outputOf(frames),
    end,
  };
}

export function outputOf(frames: JournalFrame[], stream?: JournalStream): string {
  const chunks = frames.flatMap((f) => (f.type === 'output' && (stream ?? f.stream) === f.stream ? [f.bytes] : []));
  return Buffer.concat(chunks).toString('latin1');
}

/** Starts a command and follows it to its end. */
export async function runToEnd(supervised: Supervised, spec: CommandSpec): Promise<Finished> {
  await supervised.link.start(spec, { timeoutMs: patienceMs });
  return finish(supervised.link, spec.id);
}

/** Follows a command until it has printed `marker`; what it printed until then. */
export async function waitForOutput(link: SupervisorLink, id: string, marker: string): Promise<string> {
  let seen = '';
  for await (const frame of link.follow(id, { signal: AbortSignal.timeout(patienceMs) })) {
    if (frame.type === 'output') seen += Buffer.from(frame.bytes).toString('latin1');
    if (seen.includes(marker)) return seen;
  }
  throw new Error(`the command ended without printing ${marker}; it printed: ${seen}`);
}

/** Every complete frame that is in the journal now. */
export async function journalSoFar(sandbox: Supervised, id: string): Promise<JournalFrame[]> {
  const reader = openJournal(join(sandbox.runDirectory, 'journals', id));
  const frames: JournalFrame[] = [];
  for (let batch = await reader.read(); batch.length > 0; batch = await reader.read()) frames.push(...batch);
  reader.close();
  return frames;
}
