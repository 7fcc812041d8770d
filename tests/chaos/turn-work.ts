// A session whose agent is told to do scripted turns while faults come, one after the other; and what is read back of them.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import type { Violation } from './checks.ts';
import { type Followers, follow } from './followers.ts';
import type { Asked } from '@worktrail/testing/scripted-model';
import { checkTurn } from './turn-checks.ts';
import { type TurnScript, turnScript } from './turn-workload.ts';

const askAgainMs = 300;
const turnsMax = 50;

export interface StartedTurn {
  turnId: string;
  script: TurnScript;
}

export interface TurnWork {
  readonly sessionId: string;
  readonly followers: Followers;
  readonly turns: readonly StartedTurn[];
  /** Sends a message that is unique; however often it has to be asked, it is one turn. */
  say(script: TurnScript, deadline: AbortSignal): Promise<StartedTurn>;
  untilEnded(turn: StartedTurn, deadline: AbortSignal): Promise<void>;
  /** Turns until the signal aborts, and at least one. */
  run(until: AbortSignal, deadline: AbortSignal): Promise<void>;
}

export interface Address {
  apiUrl: string;
  apiKey: string;
}

export function startTurnWork(client: WorktrailClient, address: Address, sessionId: string): TurnWork {
  const followers = follow(client, sessionId);
  const turns: StartedTurn[] = [];
  const work: TurnWork = {
    sessionId,
    followers,
    turns,
    async say(script, deadline) {
      const turn = { turnId: await send(address, sessionId, script.text, deadline), script };
      turns.push(turn);
      return turn;
    },
    async untilEnded({ turnId }, deadline) {
      const isEnd = (event: { type: string; turnId?: string }) =>
        event.type === 'turn.ended' && event.turnId === turnId;
      if (!followers.sse.seen.some(isEnd)) await followers.sse.until(isEnd, deadline);
    },
    async run(until, deadline) {
      for (let number = 1; number <= turnsMax && (number === 1 || !until.aborted); number++) {
        await work.untilEnded(await work.say(turnScript(`${sessionId.slice(-8)}-${number}`), deadline), deadline);
      }
    },
  };
  return work;
}

async function send(
  { apiUrl, apiKey }: Address,
  sessionId: string,
  text: string,
  signal: AbortSignal,
): Promise<string> {
  const headers = {
    authorization: `Bearer ${apiKey}`,
    'content-type': 'application/json',
    'idempotency-key': randomUUID(),
  };
  for (;;) {
    signal.throwIfAborted();
    const answer = await fetch(`${apiUrl}/v1/sessions/${sessionId}/messages`, {
      ...{ method: 'POST', headers, body: JSON.stringify({ text }) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(60_000)]),
    }).catch(() => null);
    const body = (await answer?.json().catch(() => null)) as { turnId?: string; code?: string } | null | undefined;
    if (answer?.status === 202 && body?.turnId) return body.turnId;
    const mayPass = !answer || answer.status >= 500 || body?.code === 'idempotency_in_progress';
    if (!mayPass) throw new Error(`a message was answered ${answer.status} ${JSON.stringify(body)}`);
    await delay(askAgainMs, undefined, { signal });
  }
}

export interface TurnsReadBack {
  client: WorktrailClient;
  asked: readonly Asked[];
  /** A sandbox, or a host, was lost. */
  mayFail: boolean;
  signal: AbortSignal;
}

/** What is wrong with the turns of a session, and with what they left. */
export async function checkTurns(
  { sessionId, turns }: TurnWork,
  { client, asked, mayFail, signal }: TurnsReadBack,
): Promise<Violation[]> {
  const history: WorktrailEvent[] = [];
  for await (const event of client.events.all(sessionId, { limit: 200 }, { signal })) history.push(event);
  const found: Violation[] = [];
  for (const { turnId, script } of turns) {
    const events = history.filter((event) => event.turnId === turnId);
    const own = asked.filter(({ text }) => text === script.text);
    found.push(...checkTurn({ turnId, script, events, asked: own, mayFail }));
    if (mayFail) continue;
    for (const [path, text] of Object.entries(script.files)) {
      const is = await readFile(client, sessionId, path, signal).catch((error: unknown) => String(error));
      if (is !== text) found.push({ kind: 'differs', what: `${path} of ${sessionId}: ${JSON.stringify(is)}` });
    }
  }
  return found;
}

async function readFile(
  client: WorktrailClient,
  sessionId: string,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const { body } = await client.files.open(sessionId, path, { signal });
  return await new Response(body).text();
}
