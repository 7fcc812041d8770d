// One session with its work under way: the commands that were asked for, what each must print, and who reads along.

import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import type { CommandOutcome } from '@worktrail/contract/commands';
import type { ExpectedCommand } from './checks.ts';
import { type Followers, follow } from './followers.ts';
import { commandLine, expectedFiles, expectedOutput, type LinesTask, type WrittenFile } from './workload.ts';

const ECHOES_MAX = 500;
const ECHO_WAIT_SECONDS = 20;

export interface StartedTask extends ExpectedCommand {
  files: WrittenFile[];
}

export interface SessionWork {
  readonly sessionId: string;
  readonly followers: Followers;
  /** In the order in which they were asked for; grows while echoes come. */
  readonly commands: StartedTask[];
  /** Resolves when this share of the first command's output was seen by the event stream, or the command has ended. */
  untilShare(share: number, signal: AbortSignal): Promise<void>;
  /** One that was asked for elsewhere; it prints `stdout`. */
  add(name: string, id: string, stdout: string): void;
  /** Asks for one short command after the other until the signal aborts; resolves when the last one was answered. */
  echo(until: AbortSignal, deadline: AbortSignal): Promise<void>;
}

export async function startSessionWork(
  client: WorktrailClient,
  sessionId: string,
  tasks: readonly LinesTask[],
  allowed: readonly CommandOutcome[],
  signal: AbortSignal,
): Promise<SessionWork> {
  const followers = follow(client, sessionId);
  const commands: StartedTask[] = [];
  for (const task of tasks) {
    const input = { command: commandLine(task), stdin: '', background: task.background };
    const { id } = await client.commands.run(sessionId, input, { signal });
    const stdout = expectedOutput(task);
    commands.push({ name: task.name, id, stdout, sumsItself: true, allowed, files: expectedFiles(task) });
  }
  const add = (name: string, id: string, stdout: string) =>
    void commands.push({ name, id, stdout: Buffer.from(stdout), sumsItself: false, allowed, files: [] });
  return {
    sessionId,
    followers,
    commands,
    add,
    async untilShare(share, deadline) {
      const { id, stdout } = commands[0]!;
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
  };
}

/** A command that reads files back, and what it must print. */
export function fileCheck(files: readonly WrittenFile[]): { command: string; stdout: string } {
  return {
    command: `sha256sum ${files.map(({ path }) => path).join(' ')}`,
    stdout: files.map(({ sha256, path }) => `${sha256}  ${path}\n`).join(''),
  };
}
