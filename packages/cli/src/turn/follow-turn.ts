// A turn from its message to its end: what is to be seen of it, in order, and what it asks permission for.
//
// 1. Of a session's events those of this turn are shown, and what keeps the whole session waiting or ends it.
// 2. A permission is asked for once, and not any more when somebody else has answered or the turn has ended.

import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import { CliError } from '../exit-codes.ts';

const ofTurn = [
  ...['turn.started', 'turn.ended', 'message.agent', 'message.agent_delta', 'reasoning', 'reasoning.delta'],
  ...['tool.started', 'tool.ended', 'command.output', 'command.ended', 'plan.updated', 'files.changed'],
  ...['context.referenced', 'permission.requested', 'permission.answered', 'message.summary'],
];
const ofSession = ['session.resuming', 'session.restored', 'session.failed', 'limit.reached', 'egress.refused'];
const types = [...ofTurn, ...ofSession, 'gap'];

export interface TurnEnd {
  event: WorktrailEvent;
  /** What the agent said last. */
  text: string;
  elapsedMs: number | null;
}

/** Asks who is there; the signal aborts when it need not be known any more. */
export type AskPermission = (request: WorktrailEvent, signal: AbortSignal) => Promise<void>;

export interface FollowTurnDependencies {
  client: Pick<WorktrailClient, 'events'>;
  show: (event: WorktrailEvent) => Promise<void>;
  askPermission: AskPermission;
  onReconnect?: (cause: unknown, attempt: number) => void;
}

export interface FollowedTurn {
  sessionId: string;
  turnId: string;
  /** A cursor from before its first event that has not been seen. */
  after: string | undefined;
  /** What is known already of a turn that was begun by somebody else. */
  seen?: readonly WorktrailEvent[];
}

export async function followTurn(
  { client, show, askPermission, onReconnect }: FollowTurnDependencies,
  { sessionId, turnId, after, seen = [] }: FollowedTurn,
  signal: AbortSignal,
): Promise<TurnEnd> {
  const asking = createAsking(askPermission, signal);
  const of = createFilter(turnId);
  let text = '';
  let startedAt: string | null = null;
  const take = async (event: WorktrailEvent): Promise<TurnEnd | null> => {
    if (!of(event)) return null;
    if (event.type === 'turn.started') startedAt = event.time;
    if (event.type === 'message.agent' && event.data['text']) text = String(event.data['text']);
    await show(event);
    if (event.type === 'permission.answered') asking.answered(event);
    if (event.type !== 'turn.ended') return null;
    return { event, text, elapsedMs: startedAt === null ? null : Date.parse(event.time) - Date.parse(startedAt) };
  };
  try {
    for (const event of seen) {
      const end = await take(event);
      if (end) return end;
    }
    for (const event of unanswered(seen)) asking.requested(event);
    for await (const event of client.events.follow(sessionId, { after, types, signal, onReconnect })) {
      const end = await take(event);
      if (end) return end;
      if (event.type === 'permission.requested' && event.turnId === turnId) asking.requested(event);
    }
  } finally {
    asking.stop();
  }
  throw new CliError('the event stream ended before the turn did');
}

/** Which events are shown with a turn. */
export function createFilter(turnId: string): (event: WorktrailEvent) => boolean {
  const commands = new Set<string>();
  return ({ type, turnId: ofTurnId, commandId, data }) => {
    if (type === 'gap') return commands.has(String(data['producer'])) || String(data['producer']).startsWith(turnId);
    if (ofTurnId === turnId) {
      if (commandId) commands.add(commandId);
      return true;
    }
    return !ofTurnId && ofSession.includes(type);
  };
}

function unanswered(events: readonly WorktrailEvent[]): WorktrailEvent[] {
  const answered = new Set(
    events.filter(({ type }) => type === 'permission.answered').map(({ data }) => data['permissionId']),
  );
  return events.filter(({ type, data }) => type === 'permission.requested' && !answered.has(data['permissionId']));
}

/** One question after the other. */
function createAsking(ask: AskPermission, signal: AbortSignal) {
  const open = new Map<string, AbortController>();
  let last = Promise.resolve();
  return {
    requested(event: WorktrailEvent): void {
      const id = String(event.data['permissionId']);
      if (open.has(id)) return;
      const needless = new AbortController();
      open.set(id, needless);
      const either = AbortSignal.any([signal, needless.signal]);
      last = last.then(() => (either.aborted ? undefined : ask(event, either)));
    },
    answered: ({ data }: WorktrailEvent) => open.get(String(data['permissionId']))?.abort(),
    stop(): void {
      for (const needless of open.values()) needless.abort();
    },
  };
}
