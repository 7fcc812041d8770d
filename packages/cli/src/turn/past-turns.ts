// What was said and done in turns before now, without what commands printed.

import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import { createFilter } from './follow-turn.ts';

const types = [
  ...['turn.started', 'turn.ended', 'message.user', 'message.agent', 'reasoning', 'tool.started', 'tool.ended'],
  ...['command.ended', 'plan.updated', 'files.changed', 'context.referenced'],
  ...['permission.requested', 'permission.answered', 'message.summary', 'gap'],
];
const pageEvents = 200;

/** The events of one turn, from its message to its end, if that has come. */
export async function readTurn(
  client: Pick<WorktrailClient, 'events'>,
  sessionId: string,
  turnId: string,
): Promise<WorktrailEvent[]> {
  const of = createFilter(turnId);
  const events: WorktrailEvent[] = [];
  for await (const event of client.events.all(sessionId, { types, limit: pageEvents })) {
    if (of(event)) events.push(event);
    if (event.type === 'turn.ended' && event.turnId === turnId) break;
  }
  return events;
}

/** How a turn ended that did not do what it was asked; null: it did, or goes on. */
export function badEnd(events: readonly WorktrailEvent[]): { event: WorktrailEvent; elapsedMs: number | null } | null {
  const event = events.find(({ type }) => type === 'turn.ended');
  if (!event || event.data['outcome'] === 'completed') return null;
  const started = events.find(({ type }) => type === 'turn.started');
  return { event, elapsedMs: started ? Date.parse(event.time) - Date.parse(started.time) : null };
}

export interface PastTurn {
  turnId: string;
  events: WorktrailEvent[];
  isEnded: boolean;
}

/** The newest so many turns that have ended, and all that have not; `after`: the cursor of the last event read. */
export async function readPastTurns(
  client: Pick<WorktrailClient, 'events'>,
  sessionId: string,
  endedMax: number,
): Promise<{ turns: PastTurn[]; after: string | undefined }> {
  let turns: PastTurn[] = [];
  let after: string | undefined;
  for await (const event of client.events.all(sessionId, { types, limit: pageEvents })) {
    after = event.cursor;
    const { turnId } = event;
    if (!turnId) continue;
    let turn = turns.find((one) => one.turnId === turnId);
    if (!turn && event.type === 'message.user') turns.push((turn = { turnId, events: [], isEnded: false }));
    turn?.events.push(event);
    if (turn && event.type === 'turn.ended') {
      turn.isEnded = true;
      turns = newest(turns, endedMax);
    }
  }
  return { turns, after };
}

function newest(turns: readonly PastTurn[], endedMax: number): PastTurn[] {
  const ended = turns.filter(({ isEnded }) => isEnded);
  const tooOld = new Set(ended.slice(0, Math.max(0, ended.length - endedMax)));
  return turns.filter((turn) => !tooOld.has(turn));
}
