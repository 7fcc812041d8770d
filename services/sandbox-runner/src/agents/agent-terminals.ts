// Commands that an agent has run for it (`terminal/*`), each under the supervisor with a journal of its own. They live as long as its turn.
//
// 1. A terminal is started once: its process has an id that follows from its turn and its number. Opened again, by the next runner, it is the same.
// 2. What of its output is kept is its end, at most what was asked for and never above `outputKeptMax`; its journal is bounded by the
//    supervisor, and it never waits for whoever reads it.
// 3. That one has ended is given out once for each time it was opened, after all of its output.

import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join, posix } from 'node:path';
import { sandboxVariables } from '@worktrail/contract/environment-variables';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { JournalCorrupt, type EndFrame } from '../supervision/journal-format.ts';
import { SupervisorError } from '../supervision/supervisor-control.ts';
import type { TerminalCommand } from './agent-effects.ts';
import { agentTerminalId, processFrames } from './agent-process.ts';

const outputKeptMax = 128 * 1024;
const runningMax = 16;
/** Of the beginning of its output, in its journal; of the end `outputKeptMax` is. */
const journalBytesMax = 1024 ** 2;
const killGraceMs = 1_000;
const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** As the protocol has it. */
export interface TerminalExit {
  exitCode: number | null;
  signal: string | null;
}

export interface TerminalOutput {
  /** As far as it goes: whole characters. */
  output: string;
  truncated: boolean;
  exit: TerminalExit | null;
  /** Why it has ended, if not by itself. */
  reason: string;
}

export interface AgentTerminals {
  /** Answers why not, if it is not. `again`: it was opened by a runner before. */
  open(terminal: number, command: TerminalCommand, again: boolean): Promise<string | undefined>;
  /** undefined: it was not opened. */
  read(terminal: number): TerminalOutput | undefined;
  end(terminal: number): Promise<void>;
  /** One that has ended and was not given out yet. @throws what went wrong in following them */
  takeEnded(): number | undefined;
  /** Called when there is something to take. One at a time. */
  onEnded(listener: (() => void) | undefined): void;
  /** What it printed is asked for no more. */
  forget(terminal: number): void;
}

interface Opened {
  kept: Buffer[];
  keptBytes: number;
  limit: number;
  truncated: boolean;
  end: Pick<EndFrame, 'outcome' | 'exitCode' | 'signal' | 'reason'> | undefined;
}

interface Place {
  sandbox: OpenSandbox;
  turnId: string;
  /** Of the agent: its terminals have its environment. */
  processId: string;
  workTree: string;
}

/** `left`: aborted when nobody follows them any more. */
export function createAgentTerminals(
  { sandbox, turnId, processId, workTree }: Place,
  left: AbortSignal,
): AgentTerminals {
  const opened = new Map<number, Opened>();
  const ended: number[] = [];
  let failure: { error: unknown } | undefined;
  let listener: (() => void) | undefined;

  async function follow(terminal: number, one: Opened): Promise<void> {
    try {
      for await (const frame of processFrames(sandbox.link, agentTerminalId(turnId, terminal), left)) {
        if (frame.type === 'output') keep(one, frame.bytes);
        if (frame.type !== 'end') continue;
        one.end = frame;
        one.truncated ||= frame.outputTruncated;
      }
    } catch (error) {
      if (left.aborted) return;
      if (!(error instanceof JournalCorrupt)) failure = { error };
      one.end = { outcome: 'failed_to_start', exitCode: null, signal: null, reason: 'its output cannot be read' };
    }
    ended.push(terminal);
    listener?.();
  }

  return {
    async open(terminal, command, again) {
      if (opened.has(terminal)) return undefined;
      const running = [...opened.values()].filter(({ end }) => !end).length;
      if (!again && running >= runningMax) return `${runningMax} terminals are running already`;
      const cwd = posix.resolve(workTree, command.cwd ?? '');
      // What a symbolic link leads to is the supervisor's to look at.
      if (cwd !== workTree && !cwd.startsWith(`${workTree}/`)) return `cwd is not below ${workTree}`;
      const id = agentTerminalId(turnId, terminal);
      const env = { ...(await environmentOf(sandbox, processId)), ...command.env, [sandboxVariables.commandId]: id };
      const spec = {
        ...{ id, env, argv: argvOf(command, sandbox.record.shell) },
        cwd,
        ...{ outputBytesMax: journalBytesMax, outputTailBytes: outputKeptMax },
      };
      try {
        await sandbox.link.start(spec, { signal: left });
      } catch (error) {
        if (error instanceof SupervisorError && !error.retryable) return error.message;
        throw error;
      }
      const limit = Math.min(command.outputBytes ?? outputKeptMax, outputKeptMax);
      const one: Opened = { kept: [], keptBytes: 0, limit, truncated: false, end: undefined };
      opened.set(terminal, one);
      void follow(terminal, one);
      return undefined;
    },
    read(terminal) {
      const one = opened.get(terminal);
      if (!one) return undefined;
      const { kept, truncated, end } = one;
      const output = textOf(Buffer.concat(kept), truncated, end !== undefined);
      return { output, truncated, exit: end ? exitOf(end) : null, reason: end ? reasonOf(end) : '' };
    },
    async end(terminal) {
      const one = opened.get(terminal);
      if (!one || one.end) return;
      await sandbox.link.cancel(agentTerminalId(turnId, terminal), {
        graceMs: killGraceMs,
        reason: 'the agent ends it',
      });
    },
    takeEnded() {
      if (failure) throw failure.error;
      return ended.shift();
    },
    onEnded(called) {
      listener = called;
      if (ended.length > 0) called?.();
    },
    forget(terminal) {
      const one = opened.get(terminal);
      if (one) one.kept = [];
    },
  };
}

function keep(one: Opened, bytes: Uint8Array): void {
  // What is read next takes the place of these bytes.
  one.kept.push(Buffer.from(bytes));
  one.keptBytes += bytes.length;
  while (one.keptBytes > one.limit) {
    const first = one.kept[0]!;
    const over = one.keptBytes - one.limit;
    one.truncated = true;
    one.keptBytes -= Math.min(over, first.length);
    if (over < first.length) one.kept[0] = first.subarray(over);
    else one.kept.shift();
  }
}

export function textOf(bytes: Buffer, truncated: boolean, isWhole: boolean): string {
  let from = 0;
  while (truncated && from < Math.min(3, bytes.length) && (bytes[from]! & 0xc0) === 0x80) from += 1;
  return new TextDecoder().decode(bytes.subarray(from), { stream: !isWhole });
}

/** A line of shell, unless it comes with arguments: agents send both. */
function argvOf({ command, args }: TerminalCommand, shell: string): string[] {
  return args.length > 0 ? [command, ...args] : [shell, '-c', command];
}

async function environmentOf({ directory }: OpenSandbox, processId: string): Promise<Record<string, string>> {
  const request = await readFile(join(directory.runPath, 'requests', processId), 'utf8');
  const entries = request.split('\0').flatMap((entry) => (entry.startsWith('env=') ? [entry.slice(4)] : []));
  return Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

function exitOf({ exitCode, signal }: NonNullable<Opened['end']>): TerminalExit {
  return { exitCode, signal: signal === null ? null : (signalNames.get(signal) ?? String(signal)) };
}

function reasonOf({ outcome, reason }: NonNullable<Opened['end']>): string {
  return outcome === 'exited' ? '' : [outcome, reason].filter(Boolean).join(': ');
}
