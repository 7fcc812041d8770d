// The sessions of a trial live, as prefixed lines.
//
// 1. Each session is followed from its first event once its attempt has begun; the end of a trial leaves nothing unshown: what had not
//    come yet is read from the history.
// 2. A line is shown whole, without control characters.

import {
  type Trial,
  type TrialSession,
  WorktrailApiError,
  type WorktrailClient,
  type WorktrailEvent,
} from '@worktrail/client';
import { eventSummary } from '../events/event-line.ts';
import { visible } from '../screen/visible-text.ts';
import { createLineSplitter } from './line-splitter.ts';

const pollMs = 1_000;
const types = [
  ...['session.ready', 'session.failed', 'command.queued', 'command.output', 'command.ended', 'gap'],
  ...['turn.started', 'message.agent', 'tool.started', 'turn.ended', 'limit.reached'],
];

export interface TrialLinesDependencies {
  client: WorktrailClient;
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  showEvent: (event: WorktrailEvent, session: TrialSession, index: number) => Promise<void>;
}

/** Answers the trial as it ended. */
export async function followTrial(deps: TrialLinesDependencies, trialId: string, signal: AbortSignal): Promise<Trial> {
  const followers = new Map<string, Follower>();
  for (;;) {
    const trial = await deps.client.trials.get(trialId, { signal });
    trial.sessions.forEach((session, index) => {
      if (session.state === 'pending' || followers.has(session.sessionId)) return;
      followers.set(session.sessionId, startFollower(deps, session, index, signal));
    });
    if (trial.state !== 'running') {
      await Promise.all([...followers.values()].map((follower) => follower.finish()));
      return trial;
    }
    await deps.wait(pollMs, signal);
  }
}

interface Follower {
  finish(): Promise<void>;
}

function startFollower(
  deps: TrialLinesDependencies,
  session: TrialSession,
  index: number,
  signal: AbortSignal,
): Follower {
  const { client, showEvent } = deps;
  const { sessionId } = session;
  const enough = new AbortController();
  let after: string | undefined;

  const show = async (event: WorktrailEvent) => {
    after = event.cursor;
    await showEvent(event, session, index);
  };
  async function followLive(): Promise<void> {
    const live = AbortSignal.any([signal, enough.signal]);
    for (;;) {
      try {
        for await (const event of client.events.follow(sessionId, { after, types, signal: live })) await show(event);
      } catch (error) {
        if (live.aborted) return;
        // The trial names its sessions a moment before they exist.
        if (!(error instanceof WorktrailApiError && error.status === 404)) throw error;
        await deps.wait(pollMs, live);
      }
    }
  }
  const following = followLive().catch((error: unknown) => {
    if (!enough.signal.aborted && !signal.aborted) throw error;
  });
  // Thrown again by finish; a failed feed must not end the others before.
  following.catch(() => undefined);
  return {
    async finish() {
      enough.abort();
      await following;
      for await (const event of client.events.all(sessionId, { after, types, limit: 200 }, { signal }))
        await show(event);
    },
  };
}

/** What an event has to say, as lines without control characters; state between calls is the unfinished line of each session. */
export function createTrialNarrator() {
  const splitters = new Map<string, ReturnType<typeof createLineSplitter>>();
  return (event: WorktrailEvent): string[] => {
    if (event.type === 'command.output') {
      const key = `${event.sessionId} ${event.data['stream']}`;
      const splitter = splitters.get(key) ?? createLineSplitter();
      splitters.set(key, splitter);
      return splitter.push(Buffer.from(String(event.data['bytes'] ?? ''), 'base64')).map(visible);
    }
    const unfinished = [...splitters.entries()]
      .filter(([key]) => key.startsWith(`${event.sessionId} `))
      .flatMap(([, splitter]) => splitter.rest());
    return [...unfinished.map(visible), visible(`${event.type}  ${eventSummary(event)}`)];
  };
}
