// Reads through the public API what a session became: its history, its commands and all their bytes.

import { setTimeout as delay } from 'node:timers/promises';
import type { SessionState, WorktrailClient } from '@worktrail/client';
import type { ObservedCommand, ProducerCount } from './checks.ts';
import { type Seen, summarize } from './followers.ts';

const SETTLE_TIMEOUT_MS = 60_000;

export async function readHistory(client: WorktrailClient, sessionId: string, signal: AbortSignal): Promise<Seen[]> {
  const history: Seen[] = [];
  for await (const event of client.events.all(sessionId, { limit: 200 }, { signal })) history.push(summarize(event));
  return history;
}

/** The cursor of each by its id. */
export async function readCheckpoints(
  client: WorktrailClient,
  sessionId: string,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const checkpoints = new Map<string, string>();
  for await (const { id, cursor } of client.checkpoints.all(sessionId, { signal })) checkpoints.set(id, cursor);
  return checkpoints;
}

export async function readCommand(
  client: WorktrailClient,
  sessionId: string,
  commandId: string,
  signal: AbortSignal,
): Promise<ObservedCommand> {
  const { state, outcome, exitCode, stdoutBytes } = await client.commands.get(sessionId, commandId, { signal });
  const read = async (stream: 'stdout' | 'stderr') => {
    const parts: Uint8Array[] = [];
    const gaps: string[] = [];
    for await (const range of client.commands.outputRanges(sessionId, commandId, { stream }, { signal })) {
      parts.push(range.bytes);
      if (range.gaps) gaps.push(range.gaps);
    }
    return { bytes: Buffer.concat(parts), gaps };
  };
  const stdout = await read('stdout');
  const stderr = await read('stderr');
  const gaps = [...stdout.gaps, ...stderr.gaps].join() || null;
  return { state, outcome, exitCode, stdoutBytes, stdout: stdout.bytes, stderr: stderr.bytes, gaps };
}

export async function readProducers(
  client: WorktrailClient,
  sessionId: string,
  signal: AbortSignal,
): Promise<ProducerCount[]> {
  const sql = `SELECT producer, count() AS events, min(number) AS first, max(number) AS last FROM events
    WHERE session_id = '${sessionId}' GROUP BY producer`;
  const { rows } = await client.query.sql({ sql }, { signal });
  return rows.map((row) => ({
    producer: String(row['producer']),
    events: Number(row['events']),
    first: Number(row['first']),
    last: Number(row['last']),
  }));
}

/** Its state, once that is `ready`, or when the time is over. */
export async function settledState(
  client: WorktrailClient,
  sessionId: string,
  signal: AbortSignal,
): Promise<SessionState> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(SETTLE_TIMEOUT_MS)]);
  for (;;) {
    const { state } = await client.sessions.get(sessionId, { signal });
    if (state === 'ready' || within.aborted) return state;
    await delay(100);
  }
}
