// One session with its work under way: the commands that were asked for, what each must print, and who reads along.

import { setTimeout as delay } from 'node:timers/promises';
import { WorktrailApiError, type WorktrailClient, type WorktrailEvent } from '@worktrail/client';
import type { CommandOutcome } from '@worktrail/contract/commands';
import type { ExpectedCommand } from './checks.ts';
import { type Followers, follow } from './followers.ts';
import { commandLine, expectedFiles, expectedOutput, type LinesTask, type Work, type WrittenFile } from './workload.ts';

const ECHOES_MAX = 500;
const AWAKE_AGAIN_MS = 500;
const ECHO_WAIT_SECONDS = 20;
/** Told of a session that cannot be put to sleep at this moment, which is no fault of it. */
const AWAKE_CODES = ['session_busy', 'checkpoint_failed'];

export interface StartedTask extends ExpectedCommand {
  files: WrittenFile[];
}

export interface SessionWork {
  readonly sessionId: string;
  readonly followers: Followers;
  /** In the order in which they were asked for; grows while echoes come. */
  readonly commands: StartedTask[];
  /** Resolves when this share of the first task's output was seen by the event stream, or the command has ended. */
  untilShare(share: number, signal: AbortSignal): Promise<void>;
  /** One that was asked for elsewhere; it prints `stdout`. */
  add(name: string, id: string, stdout: string): void;
  /** Asks for one short command after the other until the signal aborts; resolves when the last one was answered. */
  echo(until: AbortSignal, deadline: AbortSignal): Promise<void>;
  /**
   * Runs the session's naps, each followed by a sleep, until the signal aborts, and at least one; answers how often it slept. It sleeps
   * at the end, whatever kept it awake before.
   */
  nap(until: AbortSignal, deadline: AbortSignal): Promise<number>;
}

export async function startSessionWork(
  client: WorktrailClient,
  sessionId: string,
  { first, tasks, naps }: Work,
  allowed: readonly CommandOutcome[],
  signal: AbortSignal,
): Promise<SessionWork> {
  const followers = follow(client, sessionId);
  const commands: StartedTask[] = [];
  const start = async (task: LinesTask, deadline: AbortSignal) => {
    const input = { command: commandLine(task), stdin: '', background: task.background };
    const { id } = await client.commands.run(sessionId, input, { signal: deadline });
    const stdout = expectedOutput(task);
    commands.push({ name: task.name, id, stdout, sumsItself: true, allowed, files: expectedFiles(task) });
    return id;
  };
  await client.commands.waitForEnd(sessionId, await start(first, signal), { signal });
  await client.checkpoints.create(sessionId, {}, { signal });
  const slow = commands.length;
  for (const task of tasks) await start(task, signal);
  const add = (name: string, id: string, stdout: string) =>
    void commands.push({ name, id, stdout: Buffer.from(stdout), sumsItself: false, allowed, files: [] });
  return {
    sessionId,
    followers,
    commands,
    add,
    async untilShare(share, deadline) {
      const { id, stdout } = commands[slow]!;
      const isEnd = ({ type, commandId }: { type: string; commandId?: string | null }) =>
        type === 'command.ended' && commandId === id;
      const isFar = ({ type, commandId, data }: WorktrailEvent) =>
        type === 'command.output' && commandId === id && Number(data['position']) >= share * stdout.length;
      if (followers.sse.seen.some(isEnd)) return;
      await followers.sse.until((event) => isEnd(event) || isFar(event), deadline);
    },
    async echo(until, deadline) {
      for (let n = 1; n <= ECHOES_MAX && !until.aborted; n++) {
        const name = `echo ${n}`;
        const options = { waitSeconds: ECHO_WAIT_SECONDS, signal: deadline };
        const { id } = await client.commands.run(sessionId, { command: name, stdin: '' }, options);
        add(name, id, `${n}\n`);
      }
    },
    async nap(until, deadline) {
      let count = 0;
      for (const [index, task] of naps.entries()) {
        if (index > 0 && until.aborted) break;
        await client.commands.waitForEnd(sessionId, await start(task, deadline), { signal: deadline });
        if (await sleep(client, sessionId, deadline)) count++;
      }
      while (!(await sleep(client, sessionId, deadline))) await delay(AWAKE_AGAIN_MS, undefined, { signal: deadline });
      return count;
    },
  };
}

/** False when something keeps it awake at this moment. */
async function sleep(client: WorktrailClient, sessionId: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await client.sessions.hibernate(sessionId, { signal })).state !== 'ready';
  } catch (error) {
    if (error instanceof WorktrailApiError && AWAKE_CODES.includes(error.code)) return false;
    throw error;
  }
}

/** A command that reads content and modes of files back, and what it must print. */
export function fileCheck(files: readonly WrittenFile[]): { command: string; stdout: string } {
  const paths = files.map(({ path }) => path).join(' ');
  return {
    command: `sha256sum ${paths}; stat -c '%a %n' ${paths}`,
    stdout: [
      ...files.map(({ sha256, path }) => `${sha256}  ${path}\n`),
      ...files.map(({ mode, path }) => `${mode} ${path}\n`),
    ].join(''),
  };
}
