// From an accepted command to its exit code: output as it comes, signals and input on their way.
//
// 1. Output is byte-exact across lost connections, which are mentioned on a terminal only; the command's outcome decides the exit
//    code.
// 2. First Ctrl-C: INT. Second: cancel. Third, or TERM or HUP to the CLI: the CLI leaves, the command goes on.
// 3. When stdout's reader has gone (a closed pipe) the command is canceled: nobody is left to see its output.

import type { CommandOutcome, WorktrailClient, WorktrailEvent } from '@worktrail/client';
import type { Surroundings } from '../cli.ts';
import { exitCodeOfCommand, exitCodes, runExitCodes } from '../exit-codes.ts';
import { isClosedPipe, type Screen } from '../screen/screen.ts';
import { visible } from '../screen/visible-text.ts';
import { listenForInterrupts } from './interrupts.ts';
import { createOutputWriter } from './output-writer.ts';
import { feedStdin } from './stdin-source.ts';

const types = ['command.started', 'command.output', 'command.ended', 'gap'];

export interface FollowedCommand {
  sessionId: string;
  commandId: string;
  /** A cursor before the command's first event. */
  after: string | undefined;
  /** Interrupts that came while the command was being accepted. */
  interruptsBefore: number;
  feedsStdin: boolean;
}

export interface FollowCommandDependencies {
  client: WorktrailClient;
  screen: Screen;
  surroundings: Surroundings;
}

export async function followCommand(deps: FollowCommandDependencies, command: FollowedCommand): Promise<number> {
  const { client, screen, surroundings } = deps;
  const { sessionId, commandId } = command;
  const interrupts = listenForInterrupts({ client, surroundings, note: screen.note }, sessionId, commandId);
  for (let count = 0; count < command.interruptsBefore; count++) interrupts.interrupt();
  const feed = new AbortController();
  let undelivered: Error | undefined;
  const startFeeding = () => {
    feedStdin(client, sessionId, commandId, surroundings.stdin, feed.signal).catch((cause: unknown) => {
      undelivered = new Error(`the input could not be delivered: ${(cause as Error).message}`, { cause });
      interrupts.cancel();
    });
  };
  try {
    const ended = await showUntilEnd(deps, command, interrupts.left, () => {
      interrupts.started();
      if (command.feedsStdin) startFeeding();
    });
    if (undelivered) throw undelivered;
    return exitOf(screen, ended);
  } catch (error) {
    if (isClosedPipe(error)) {
      await client.commands.cancel(sessionId, commandId).catch(() => undefined);
      return exitCodes.closedPipe;
    }
    if (!interrupts.left.aborted) throw error;
    screen.note(`worktrail: left ${commandId}, which goes on. See it with:`);
    screen.note(`  worktrail logs ${sessionId} -f --command ${commandId}`);
    return runExitCodes.detached;
  } finally {
    feed.abort();
    interrupts.stop();
  }
}

/** Answers the command's end, when all of its output is written. */
async function showUntilEnd(
  { client, screen }: FollowCommandDependencies,
  { sessionId, commandId, after }: FollowedCommand,
  signal: AbortSignal,
  onStarted: () => void,
): Promise<WorktrailEvent> {
  const writer = createOutputWriter(client, screen, sessionId, commandId);
  const onReconnect = (_: unknown, attempt: number) => {
    if (attempt === 3 && screen.stderr.isTTY) screen.note('worktrail: connection lost, trying again');
  };
  for await (const event of client.events.follow(sessionId, { after, types, signal, onReconnect })) {
    if (event.type === 'gap' && event.data['producer'] === commandId) screen.note(gapText(event));
    if (event.commandId !== commandId) continue;
    if (screen.json) await screen.jsonLine(event);
    if (event.type === 'command.started') onStarted();
    if (event.type === 'command.output' && !screen.json) await writer.write(event);
    if (event.type !== 'command.ended') continue;
    if (!screen.json) await writer.finish(event);
    return event;
  }
  throw new Error('the event stream ended before the command did');
}

function exitOf(screen: Screen, ended: WorktrailEvent): number {
  const { outcome, reason, exitCode, signal } = ended.data;
  const end = {
    outcome: (outcome ?? null) as CommandOutcome | null,
    exitCode: typeof exitCode === 'number' ? exitCode : null,
    signal: typeof signal === 'string' && signal ? signal : null,
  };
  if (end.outcome !== 'exited') {
    const why = [end.signal, reason].filter(Boolean).join(', ');
    screen.note(`worktrail: the command ended: ${end.outcome ?? 'unknown'}${why ? ` (${visible(why)})` : ''}`);
  }
  return exitCodeOfCommand(end);
}

function gapText(event: WorktrailEvent): string {
  const { fromPosition, toPosition, reason } = event.data;
  return `worktrail: output from ${fromPosition} to ${toPosition} was not kept: ${visible(String(reason))}`;
}
