// worktrail ask <session|project> <text>: one message, the answer as it comes, and an exit code that tells how the turn ended.
//
// 1. The answer goes to stdout, what is done for it to stderr: $(worktrail ask …) is the answer. --json: one document at the end;
//    --jsonl: the turn's events.
// 2. First Ctrl-C: the turn is canceled. Second, or TERM or HUP: it is left, and goes on.
// 3. When stdout's reader has gone the turn is canceled: nobody is left to hear it.

import type { TurnOutcome, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodeOfTurn, exitCodes, turnExitCodes, UsageError } from '../exit-codes.ts';
import { isClosedPipe, type Screen } from '../screen/screen.ts';
import { type AgentOptions, agentInput } from '../turn/agent-options.ts';
import { beginTurn, resolveTarget } from '../turn/begin-turn.ts';
import { type AskPermission, followTurn, type TurnEnd } from '../turn/follow-turn.ts';
import { howToAnswer, permissionText } from '../turn/permission-prompt.ts';
import { createTurnInterrupts } from '../turn/turn-interrupts.ts';
import { createTurnScreen } from '../turn/turn-screen.ts';
import { turnEndLine } from '../turn/turn-view.ts';

export interface AskOptions extends AgentOptions {
  reasoning?: boolean;
  jsonl?: boolean;
}

export async function ask(cli: Cli, named: string, words: readonly string[], options: AskOptions): Promise<number> {
  const { screen, surroundings } = cli;
  const text = await messageText(cli, words);
  let interruptsBefore = 0;
  const stopCounting = surroundings.onSignal(['SIGINT'], () => void interruptsBefore++);
  const accepted = await accept().finally(stopCounting);

  async function accept() {
    const target = await resolveTarget(cli, named);
    const begun = await beginTurn(await cli.client(), target, text, agentInput(options));
    if (target.kind === 'project' && !screen.json && !options.jsonl) screen.note(`session ${begun.sessionId}`);
    return begun;
  }

  const client = await cli.patientClient();
  const { sessionId, turnId } = accepted;
  const interrupts = createTurnInterrupts({ client, note: screen.note }, sessionId, turnId);
  const stops = [
    surroundings.onSignal(['SIGINT'], interrupts.interrupt),
    surroundings.onSignal(['SIGTERM', 'SIGHUP'], interrupts.leave),
  ];
  for (let count = 0; count < interruptsBefore; count++) interrupts.interrupt();
  try {
    const show = showOf(screen, options);
    const deps = { client, show, askPermission: sayHowToAnswer(screen), onReconnect: sayWhenLost(screen) };
    return await tellEnd(client, screen, options, accepted, await followTurn(deps, accepted, interrupts.left));
  } catch (error) {
    if (isClosedPipe(error)) {
      await client.turns.cancel(sessionId, turnId).catch(() => undefined);
      return exitCodes.closedPipe;
    }
    if (!interrupts.left.aborted) throw error;
    screen.note(`worktrail: left ${turnId}, which goes on. See it with:`);
    screen.note(`  worktrail chat ${sessionId}`);
    return turnExitCodes.left;
  } finally {
    for (const stop of stops) stop();
  }
}

/** "-": what stands on stdin. */
async function messageText({ surroundings }: Cli, words: readonly string[]): Promise<string> {
  const isPiped = words.length === 1 && words[0] === '-';
  const text = isPiped ? await readAll(surroundings.stdin) : words.join(' ');
  if (text.trim() === '') throw new UsageError('there is no text to send');
  return text;
}

async function readAll(stdin: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer));
  return Buffer.concat(chunks).toString('utf8');
}

function showOf(screen: Screen, { jsonl, reasoning = false }: AskOptions) {
  if (jsonl) return screen.jsonLine;
  return screen.json ? async () => undefined : createTurnScreen(screen, { reasoning, beside: 'stderr' });
}

function sayHowToAnswer(screen: Screen): AskPermission {
  return async (request) => {
    screen.note(permissionText(request));
    screen.note(howToAnswer(request));
  };
}

function sayWhenLost(screen: Screen) {
  return (_: unknown, attempt: number) => {
    if (attempt === 3 && screen.stderr.isTTY) screen.note('worktrail: connection lost, trying again');
  };
}

async function tellEnd(
  client: WorktrailClient,
  screen: Screen,
  { jsonl }: AskOptions,
  { sessionId, turnId }: { sessionId: string; turnId: string },
  end: TurnEnd,
): Promise<number> {
  const outcome = end.event.data['outcome'] as TurnOutcome;
  if (jsonl) return exitCodeOfTurn(outcome);
  if (screen.json) {
    await screen.document({ sessionId, turn: await client.turns.get(sessionId, turnId), text: end.text });
    return exitCodeOfTurn(outcome);
  }
  const paint = outcome === 'completed' ? screen.style.dim : screen.style.red;
  screen.note(paint(turnEndLine(end.event, end.elapsedMs)));
  return exitCodeOfTurn(outcome);
}
