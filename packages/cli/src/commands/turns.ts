// worktrail turns <session> | turns show <session> <turn>

import type { Turn } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { durationBetween, formatAge, formatCost } from '../screen/quantities.ts';
import { paintState } from '../screen/style.ts';
import { readTurn } from '../turn/past-turns.ts';
import { createTurnScreen } from '../turn/turn-screen.ts';

export async function turns(cli: Cli, sessionId: string, { limit }: { limit: number }): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const newest: Turn[] = [];
  for await (const turn of client.turns.all(sessionId)) {
    if (newest.push(turn) > limit) newest.shift();
  }
  if (screen.json) await screen.document({ items: newest });
  else await screen.table(columnsFor(cli), newest.map(turnRow));
  return exitCodes.ok;
}

function columnsFor({ screen }: Cli) {
  const style = (padded: string, state: string) => paintState(screen.style, state)(padded);
  const right = { align: 'right' as const };
  return [
    { title: 'TURN' },
    { title: 'STATE', style },
    { title: 'OUTCOME', style },
    { title: 'REASON', shrinks: true },
    { title: 'STEPS', ...right },
    { title: 'TOKENS', ...right },
    { title: 'COST', ...right },
    { title: 'TIME', ...right },
    { title: 'TEXT', shrinks: true },
  ];
}

export function turnRow({ id, state, outcome, reason, usage, startedAt, endedAt, text }: Turn): string[] {
  const [steps, tokens, cost] = usage
    ? [
        String(usage.steps),
        String(usage.inputTokens + usage.outputTokens),
        usage.costUsd > 0 ? formatCost(usage.costUsd) : '',
      ]
    : ['', '', ''];
  return [id, state, outcome ?? '', reason ?? '', steps, tokens, cost, durationBetween(startedAt, endedAt), text];
}

export interface TurnShowOptions {
  reasoning?: boolean;
}

/** The turn, its message, and all that was said and done in it. */
export async function turnShow(cli: Cli, sessionId: string, turnId: string, options: TurnShowOptions): Promise<number> {
  const { screen, surroundings } = cli;
  const client = await cli.client();
  const turn = await client.turns.get(sessionId, turnId);
  if (screen.json) {
    await screen.document(turn);
    return exitCodes.ok;
  }
  const [, state, outcome, reason, steps, tokens, cost, took] = turnRow(turn);
  await screen.fields([
    ['turn', turn.id],
    ['session', sessionId],
    ['state', state],
    ['outcome', outcome],
    ['reason', reason],
    ['steps', steps],
    ['tokens', tokens],
    ['cost', cost],
    ['time', took],
    ['queued', formatAge(turn.queuedAt, surroundings.nowMs())],
  ]);
  const show = createTurnScreen(screen, { reasoning: options.reasoning === true, beside: 'stdout' });
  await screen.line('');
  for (const event of await readTurn(client, sessionId, turnId)) await show(event);
  return exitCodes.ok;
}
