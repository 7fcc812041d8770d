// The host's side of a supervisor's run directory (`supervisor/README.md` is the protocol).
//
// Promises:
// 1. Every call can be repeated, by this process or by the next one after a SIGKILL between any two steps: a command starts once, input
//    is fed once, a cancel of an ended command does nothing.
// 2. `start` resolves when the command's journal has its header: from then on the command is recorded, whoever dies.
// 3. A supervisor that is not there is a `SupervisorError` at once, never a hang.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { chmod, mkdir, open, rm, unlink } from 'node:fs/promises';
import { constants as osConstants } from 'node:os';
import { join } from 'node:path';
import type { HeaderFrame, JournalFrame } from './journal-format.ts';
import { type FollowOptions, followJournal, readJournalHeader } from './journal-reader.ts';
import { type JournalGrowth, openJournalWatch } from './journal-watch.ts';
import { controlLines, createFifoSender, type SendControlLine, SupervisorError } from './supervisor-control.ts';
import { assertRunnableId, type CommandSpec, encodeRequest } from './supervisor-request.ts';

const startRepeatMs = 1000;
const bootPollMs = 100;
/** Where the kernel reports no changes. */
const lookAgainMs = 100;
const stdinBytesMax = 268_435_456;

export type WaitOptions = { timeoutMs?: number; signal?: AbortSignal };

export type SupervisorLink = {
  /** The id of the supervisor's present start, `null` before its first. It stays in place when the supervisor dies. */
  bootId(): Promise<string | null>;
  /** Removes the boot id: call it before (re)starting the container, so that `waitForBoot` cannot see the old one. */
  clearBoot(): Promise<void>;
  /** Default `timeoutMs` 30 s, then `supervisor_unresponsive`. */
  waitForBoot(options?: WaitOptions): Promise<string>;
  /**
   * Starts the command, or finds that it was started before; resolves with its journal's header. Compare `bootId` there with
   * `bootId()`: where they differ and the journal has no end, the command died with its container. Default `timeoutMs` 30 s.
   */
  start(spec: CommandSpec, options?: WaitOptions): Promise<HeaderFrame>;
  /** The header of the command's journal; `undefined` when it was never started. */
  header(id: string): Promise<HeaderFrame | undefined>;
  /** To the process group: a number or a name, with or without `SIG`. */
  signal(id: string, signal: number | string): Promise<void>;
  cancel(id: string, options: { graceMs: number; reason: string }): Promise<void>;
  /** Everything below `position` is stored downstream. */
  ack(id: string, position: number): Promise<void>;
  /**
   * Appends to the command's input. `offset` says where in the input `bytes` belong, which makes a retry harmless: what is there
   * already is skipped. Resolves with the input's length; calling it with no bytes repeats the line to the supervisor.
   */
  writeStdin(
    id: string,
    bytes: Uint8Array,
    options?: { offset?: number; close?: boolean },
  ): Promise<{ lengthTotal: number }>;
  follow(id: string, options?: Omit<FollowOptions, 'wake'>): AsyncGenerator<JournalFrame, void, void>;
  removeCommand(id: string): Promise<void>;
  /** Stops watching; followers go on by polling. The supervisor is not touched. */
  close(): void;
};

/** Makes the directory and its parts, for root only; harmless where they exist. The FIFO is made by the supervisor. */
export async function createRunDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  for (const part of ['requests', 'stdin', 'journals']) await mkdir(join(path, part), { recursive: true, mode: 0o700 });
}

/** Removes what belongs to an ended command, in the order that keeps a late `start` from running it again. */
export async function removeCommandFiles(runDirectory: string, id: string): Promise<void> {
  assertRunnableId(id);
  for (const part of ['requests', 'stdin', 'journals']) await removeIfThere(join(runDirectory, part, id));
}

/** A file, which is mostly not there: looking first, and no more than unlinking it, is what makes this cheap. */
async function removeIfThere(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })) return;
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** `runDirectory` exists (`createRunDirectory`); the supervisor need not run yet. */
export function openSupervisorLink(options: { runDirectory: string; send?: SendControlLine }): SupervisorLink {
  const { runDirectory, send = createFifoSender(options.runDirectory) } = options;
  const at = (part: string, id: string) => join(runDirectory, part, id);
  const bootPath = join(runDirectory, 'boot');
  const wake = openJournalWatch(join(runDirectory, 'journals'));
  const bootWake = openJournalWatch(runDirectory);

  const link: SupervisorLink = {
    bootId: () => readBootId(bootPath),
    clearBoot: () => rm(bootPath, { force: true }),
    waitForBoot: (wait = {}) =>
      waitFor(bootWake.subscribe('boot'), () => readBootId(bootPath), {
        ...wait,
        pollMs: bootPollMs,
        what: 'the supervisor did not come up',
      }),
    async start(spec, wait = {}) {
      writeRequest(at('requests', spec.id), encodeRequest(spec));
      const started = await link.header(spec.id);
      if (started !== undefined) return started;
      const growth = wake.subscribe(spec.id);
      return waitFor(growth, () => link.header(spec.id), {
        ...wait,
        pollMs: startRepeatMs,
        beforeEach: () => send(controlLines.start(spec.id)),
        what: 'the supervisor did not start the command',
      });
    },
    header: async (id) => readJournalHeader(at('journals', id)),
    async signal(id, signal) {
      await sendFor(id, controlLines.signal(id, signalNumber(signal)));
    },
    async cancel(id, { graceMs, reason }) {
      await sendFor(id, controlLines.cancel(id, graceMs, reason));
    },
    async ack(id, position) {
      await sendFor(id, controlLines.ack(id, position));
    },
    async writeStdin(id, bytes, { offset, close = false } = {}) {
      assertRunnableId(id);
      const lengthTotal = appendInput(at('stdin', id), bytes, offset);
      await send(controlLines.stdin(id, lengthTotal, close));
      return { lengthTotal };
    },
    follow: (id, follow = {}) => followJournal(at('journals', id), { ...follow, wake }),
    removeCommand: (id) => removeCommandFiles(runDirectory, id),
    close() {
      wake.close();
      bootWake.close();
    },
  };
  return link;

  async function sendFor(id: string, line: string): Promise<void> {
    assertRunnableId(id);
    await send(line);
  }
}

type Waiting = WaitOptions & { pollMs: number; what: string; beforeEach?: () => Promise<void> };

/** Looks for something until it is there, after each change and each `pollMs`. Closes `growth`. */
async function waitFor<T>(growth: JournalGrowth, look: () => Promise<T | null | undefined>, how: Waiting): Promise<T> {
  const { timeoutMs = 30_000, signal, pollMs, what, beforeEach } = how;
  const deadline = performance.now() + timeoutMs;
  try {
    while (true) {
      signal?.throwIfAborted();
      growth.reset();
      await beforeEach?.();
      const nextRound = Math.min(performance.now() + pollMs, deadline);
      while (true) {
        const found = await look();
        if (found !== null && found !== undefined) return found;
        const leftMs = nextRound - performance.now();
        if (leftMs <= 0) break;
        await growth.wait(Math.min(leftMs, lookAgainMs), signal);
        growth.reset();
      }
      if (performance.now() >= deadline) {
        throw new SupervisorError('supervisor_unresponsive', `${what} within ${timeoutMs} ms`);
      }
    }
  } finally {
    growth.close();
  }
}

async function readBootId(path: string): Promise<string | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
      return /^([0-9a-f]{32})\n$/.exec(buffer.toString('latin1', 0, bytesRead))?.[1] ?? null;
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}

/** Synchronous, so that nothing of this process comes between; a request that is there is left as it is. */
function writeRequest(path: string, request: Buffer): void {
  if (existsSync(path)) return;
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, request, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Appends what is not there yet; returns the file's length. */
function appendInput(path: string, bytes: Uint8Array, offset: number | undefined): number {
  const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const { size } = fstatSync(fd);
    if (offset !== undefined && offset > size) {
      throw new SupervisorError(
        'supervisor_request_invalid',
        `input from ${offset} on, but it has ${size} bytes so far`,
      );
    }
    const fresh = bytes.subarray(Math.min(bytes.length, size - (offset ?? size)));
    if (size + fresh.length > stdinBytesMax) {
      throw new SupervisorError('supervisor_request_invalid', `input above ${stdinBytesMax} bytes`);
    }
    for (let written = 0; written < fresh.length; ) written += writeSync(fd, fresh, written);
    return size + fresh.length;
  } finally {
    closeSync(fd);
  }
}

function signalNumber(signal: number | string): number {
  const name = typeof signal === 'string' ? signal.replace(/^(SIG)?/, 'SIG') : undefined;
  const number = name === undefined ? signal : osConstants.signals[name as NodeJS.Signals];
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 64) return number;
  throw new SupervisorError('supervisor_request_invalid', `no such signal: ${signal}`);
}
