// worktrail chat <session|project>: messages and answers, one turn after the other.
//
// 1. Of a session that exists the last turns are shown, and one that goes on is followed from there.
// 2. Ctrl-C cancels the turn, a second one leaves it alone; Ctrl-D, TERM and HUP leave the chat, and the turn goes on.
// 3. Without a terminal each line of stdin is a message; when they are over and answered, so is the chat.

import type { TurnOutcome, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { chatHelp, type ChatCommand, chatLine } from '../chat/chat-line.ts';
import { createLineSource, type LineSource } from '../chat/line-source.ts';
import { exitCodes } from '../exit-codes.ts';
import { errorLines } from '../screen/error-text.ts';
import { isClosedPipe, writeAll } from '../screen/screen.ts';
import { visible } from '../screen/visible-text.ts';
import { type AgentOptions, agentInput } from '../turn/agent-options.ts';
import { type BegunTurn, beginTurn, resolveTarget, type Target } from '../turn/begin-turn.ts';
import { type FollowedTurn, followTurn } from '../turn/follow-turn.ts';
import { badEnd, readPastTurns } from '../turn/past-turns.ts';
import { promptPermission } from '../turn/permission-prompt.ts';
import { createTurnInterrupts, type TurnInterrupts } from '../turn/turn-interrupts.ts';
import { createTurnScreen } from '../turn/turn-screen.ts';
import { turnEndLine } from '../turn/turn-view.ts';
import { diff } from './diff.ts';
import { turns } from './turns.ts';

const shownTurnsMax = 3;
const listedTurnsMax = 20;

export interface ChatOptions extends AgentOptions {
  reasoning?: boolean;
}

interface Chat {
  cli: Cli;
  client: WorktrailClient;
  lines: LineSource;
  options: ChatOptions;
  /** The session, as soon as there is one. */
  target: Target;
  /** Of the turn that goes on. */
  interrupts: TurnInterrupts | null;
  /** Aborted when the chat is to be left. */
  left: AbortController;
}

export async function chat(cli: Cli, named: string, options: ChatOptions): Promise<number> {
  const { surroundings, screen } = cli;
  const target = await resolveTarget(cli, named);
  const client = await cli.patientClient();
  const left = new AbortController();
  const lines = createLineSource(surroundings.stdin, screen.stdout, {
    onInterrupt: () => interrupted(it),
    onUnasked: (line) => unasked(it, line),
    onEnd: () => leave(it),
  });
  const it: Chat = { cli, client, lines, options, target, interrupts: null, left };
  const stops = [
    surroundings.onSignal(['SIGINT'], () => interrupted(it)),
    surroundings.onSignal(['SIGTERM', 'SIGHUP'], () => leave(it)),
  ];
  try {
    await enter(it);
    await talk(it);
    return left.signal.aborted && !lines.isTerminal ? exitCodes.interrupted : exitCodes.ok;
  } catch (error) {
    if (isClosedPipe(error)) return exitCodes.closedPipe;
    throw error;
  } finally {
    for (const stop of stops) stop();
    lines.close();
  }
}

function leave(it: Chat): void {
  it.left.abort();
  it.interrupts?.leave();
}

function interrupted(it: Chat): void {
  if (it.interrupts) it.interrupts.interrupt();
  else if (it.lines.isTerminal) say(it, '\n(Ctrl-D leaves, /help says what else there is)').catch(() => undefined);
  else leave(it);
}

/** While a turn goes on. A message waits until it has ended. */
function unasked(it: Chat, line: string): boolean {
  const read = chatLine(line);
  if (read.kind === 'command' && read.command === 'cancel') it.interrupts?.interrupt();
  else if (read.kind === 'command' && read.command === 'quit') leave(it);
  else return false;
  return true;
}

const say = ({ cli }: Chat, text: string) => writeAll(cli.screen.stdout, `${text}\n`);

/** Names the session and shows what was said in it before. */
async function enter(it: Chat): Promise<void> {
  const { style } = it.cli.screen;
  if (it.target.kind === 'session') {
    const { id, title, branch } = it.target.session;
    await say(it, `${style.bold(visible(title))}  ${style.dim(`${id}  ${visible(branch)}`)}`);
    const { turns: past, after } = await readPastTurns(it.client, id, shownTurnsMax);
    for (const { turnId, events, isEnded } of past) {
      if (it.left.signal.aborted) return;
      if (!isEnded) await follow(it, { sessionId: id, turnId, after, seen: events });
      else {
        const show = createTurnScreen(it.cli.screen, { reasoning: it.options.reasoning === true, beside: 'stdout' });
        for (const event of events) await show(event);
        const bad = badEnd(events);
        if (bad) await say(it, style.red(turnEndLine(bad.event, bad.elapsedMs)));
      }
    }
  }
  if (it.lines.isTerminal)
    await say(it, style.dim('Ctrl-C cancels a turn, Ctrl-D leaves, /help says what else there is.'));
}

async function talk(it: Chat): Promise<void> {
  for (;;) {
    const line = await it.lines.next('> ', it.left.signal);
    if (line === null) return;
    const read = chatLine(line);
    try {
      if (read.kind === 'message') await converse(it, read.text);
      else if (read.kind === 'command' && read.command === 'quit') return;
      else if (read.kind === 'command') await command(it, read.command);
      else if (read.kind === 'unknown') await say(it, `There is no /${visible(read.name)}:\n${chatHelp}`);
    } catch (error) {
      // Somebody who is there can try again.
      if (!it.lines.isTerminal || isClosedPipe(error)) throw error;
      await say(it, errorLines(error).join('\n'));
    }
  }
}

async function converse(it: Chat, text: string): Promise<void> {
  const begun: BegunTurn = await beginTurn(it.client, it.target, text, agentInput(it.options));
  if (it.target.kind === 'project') {
    it.target = { kind: 'session', session: await it.client.sessions.get(begun.sessionId) };
    await say(it, it.cli.screen.style.dim(`session ${begun.sessionId}`));
  }
  await follow(it, begun);
}

async function follow(it: Chat, turn: FollowedTurn): Promise<void> {
  const { client, lines, cli } = it;
  const { screen } = cli;
  const note = (text: string) => void screen.stdout.write(`${text}\n`);
  const interrupts = createTurnInterrupts({ client, note }, turn.sessionId, turn.turnId);
  it.interrupts = interrupts;
  if (it.left.signal.aborted) interrupts.leave();
  const prompt = { client, note, lines };
  try {
    const show = createTurnScreen(screen, { reasoning: it.options.reasoning === true, beside: 'stdout' });
    const askPermission = (request: Parameters<typeof promptPermission>[1], signal: AbortSignal) =>
      promptPermission(prompt, request, signal);
    const end = await followTurn({ client, show, askPermission }, turn, interrupts.left);
    const isWell = (end.event.data['outcome'] as TurnOutcome) === 'completed';
    await say(it, (isWell ? screen.style.dim : screen.style.red)(turnEndLine(end.event, end.elapsedMs)));
  } catch (error) {
    if (!interrupts.left.aborted) throw error;
    await say(it, `left ${turn.turnId}, which goes on`);
  } finally {
    it.interrupts = null;
  }
}

async function command(it: Chat, name: ChatCommand): Promise<void> {
  const sessionId = it.target.kind === 'session' ? it.target.session.id : null;
  if (name === 'help') await say(it, chatHelp);
  else if (name === 'cancel') await say(it, 'No turn goes on.');
  else if (sessionId === null) await say(it, 'There is no session yet: it begins with the first message.');
  else if (name === 'turns') await turns(it.cli, sessionId, { limit: listedTurnsMax });
  else await diff(it.cli, sessionId, { from: 'base', to: 'head' });
}
