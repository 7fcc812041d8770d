// The watch of leases: tells sessions that their host is lost, when its runner has not been announced for too long.
//
// 1. It is told again every few seconds for as long as the session's document shows that host. The session decides: a host that is not
//    its own any more is ignored. So several orchestrators may watch at once.
// 2. At most `signalsAtOnceMax` signals are under way; the sessions of a lost host are told one after the other.
// 3. Whatever keeps this process from observing delays the verdict, and never brings it about.

import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { SessionDocument } from '@worktrail/contract/documents';
import { hostLost, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { createPlacedSessions, type PlacedSession, type PlacedSessions } from './placed-sessions.ts';
import { createRunnerSightings, type RunnerSightings, type SightingBounds } from './runner-sightings.ts';

const lookEveryMs = 1_000;
const tellAgainMs = 5_000;
const signalsAtOnceMax = 20;
const signalTimeoutMs = 5_000;
const rewatchDelayMs = 1_000;

export interface LostHostDeps {
  nats: NatsConnection;
  sessions: KV;
  runners: KV;
  client: Client;
  bounds: SightingBounds;
  log: Logger;
}

export function startLostHostWatch(deps: LostHostDeps, lifetime: Lifetime): void {
  const placed = createPlacedSessions();
  const sightings = createRunnerSightings(Date.now(), deps.bounds);
  void watchDocuments(deps, placed, lifetime);
  void watchConnection(deps.nats, sightings);
  const running = lookAgainAndAgain(deps, placed, sightings, lifetime);
  lifetime.onClose('watch of lost hosts', () => running);
}

async function lookAgainAndAgain(
  deps: LostHostDeps,
  placed: PlacedSessions,
  sightings: RunnerSightings,
  { signal }: Lifetime,
): Promise<void> {
  const { isLost } = sightings;
  const lost = new Set<string>();
  let signalling = 0;
  while (!signal.aborted) {
    await look(deps, placed, sightings);
    for (const runnerId of placed.runnerIds()) {
      if (isLost(runnerId) && !lost.has(runnerId)) deps.log.warn({ runnerId }, 'a runner is lost');
      if (isLost(runnerId)) lost.add(runnerId);
      else lost.delete(runnerId);
    }
    const bounds = { max: signalsAtOnceMax - signalling, againMs: tellAgainMs };
    for (const session of placed.toTell(isLost, Date.now(), bounds)) {
      signalling += 1;
      void tell(deps, placed, session).finally(() => {
        signalling -= 1;
      });
    }
    await delay(lookEveryMs, signal);
  }
}

/** Who is announced, of those that have sessions. */
async function look({ runners, log }: LostHostDeps, placed: PlacedSessions, sightings: RunnerSightings): Promise<void> {
  const seen = new Set<string>();
  const missed = new Set<string>();
  try {
    for (const runnerId of placed.runnerIds()) {
      ((await readDocument(runners, runnerId)) ? seen : missed).add(runnerId);
    }
    sightings.looked(seen, missed, Date.now());
  } catch (error) {
    log.warn({ err: error }, 'cannot see which runners are announced');
    sightings.interrupted(Date.now());
  }
}

async function tell(
  { client, log }: LostHostDeps,
  placed: PlacedSessions,
  { sessionId, runnerId, generation }: PlacedSession,
): Promise<void> {
  try {
    const session = client.workflow.getHandle(sessionWorkflowId(sessionId));
    await client.withDeadline(Date.now() + signalTimeoutMs, () => session.signal(hostLost, { runnerId, generation }));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) placed.drop(sessionId);
    else log.warn({ err: error, sessionId }, 'a session could not be told that its host is lost');
  }
}

async function watchDocuments(
  { sessions, log }: LostHostDeps,
  placed: PlacedSessions,
  { signal }: Lifetime,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const entries = await sessions.watch();
      const stop = () => entries.stop();
      signal.addEventListener('abort', stop, { once: true });
      for await (const entry of entries) {
        if (entry.operation === 'PUT') placed.apply(entry.json<SessionDocument>());
        else placed.drop(entry.key.split('.').at(-1) ?? '');
      }
      signal.removeEventListener('abort', stop);
    } catch (error) {
      log.warn({ err: error }, 'the watch of session documents ended; it is begun again');
    }
    await delay(rewatchDelayMs, signal);
  }
}

async function watchConnection(nats: NatsConnection, sightings: RunnerSightings): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === 'disconnect' || type === 'reconnect') sightings.interrupted(Date.now());
  }
}

async function delay(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
