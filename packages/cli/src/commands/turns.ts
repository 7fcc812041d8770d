// worktrail turns <session> | turns show <session> <turn>

import type { Turn } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { durationBetween, formatAge, formatCost } from '../screen/quantities.ts';
import { paintState, type Style } from '../screen/style.ts';
import type { Column } from '../screen/table.ts';
import { readTurn } from '../turn/past-turns.ts';
import { howToAnswer, permissionText } from '../turn/permission-prompt.ts';
import { createTurnScreen } from '../turn/turn-screen.ts';

export async function turns(cli: Cli, sessionId: string, { limit }: { limit: number }): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const newest: Turn[] = [];
  for await (const turn of client.turns.all(sessionId)) {
    if (newest.push(turn) > limit) newest.shift();
  }
  if (screen.json) await screen.document({ items: newest });
  else {
    const columns = turnColumns(screen.style, newest);
    await screen.table(
      columns,
      newest.map((turn) => columns.map(({ cell }) => cell(turn))),
    );
  }
  return exitCodes.ok;
}

interface TurnColumn extends Column {
  cell: (turn: Turn) => string;
}

/** Few enough that ids are whole on a terminal of 80 columns. */
export function turnColumns(style: Style, turns: readonly Turn[]): TurnColumn[] {
  const right = { align: 'right' as const };
  const columns: TurnColumn[] = [
    { title: 'TURN', cell: ({ id }) => id },
    { title: 'STATE', cell: stateOf, style: (padded, state) => paintState(style, state)(padded) },
    { title: 'TOKENS', cell: tokensOf, ...right },
    { title: 'COST', cell: costOf, ...right },
    { title: 'TIME', cell: timeOf, ...right },
    { title: 'TEXT', cell: ({ text }) => text, shrinks: true },
    { title: 'REASON', cell: ({ reason }) => reason ?? '', shrinks: true },
  ];
  const isOptional = ({ title }: TurnColumn) => title === 'COST' || title === 'REASON';
  return columns.filter((column) => !isOptional(column) || turns.some((turn) => column.cell(turn) !== ''));
}

const stateOf = ({ state, outcome }: Turn) => outcome ?? state;
const tokensOf = ({ usage }: Turn) => (usage ? String(usage.inputTokens + usage.outputTokens) : '');
const costOf = ({ usage }: Turn) => (usage && usage.costUsd > 0 ? formatCost(usage.costUsd) : '');
const timeOf = ({ startedAt, endedAt }: Turn) => durationBetween(startedAt, endedAt);

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
  await screen.fields([
    ['turn', turn.id],
    ['session', sessionId],
    ['state', turn.state],
    ['outcome', turn.outcome],
    ['reason', turn.reason],
    ['steps', turn.usage && String(turn.usage.steps)],
    ['tokens', tokensOf(turn)],
    ['cost', costOf(turn)],
    ['time', timeOf(turn)],
    ['queued', formatAge(turn.queuedAt, surroundings.nowMs())],
  ]);
  const show = createTurnScreen(screen, { reasoning: options.reasoning === true, beside: 'stdout' });
  await screen.line('');
  for (const event of await readTurn(client, sessionId, turnId)) await show(event);
  for (const permission of turn.permissions ?? []) {
    const request = { sessionId, data: { ...permission } };
    await screen.line(permissionText(request));
    await screen.line(howToAnswer(request));
  }
  return exitCodes.ok;
}
