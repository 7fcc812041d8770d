// A round in which a runner is lost for good: all its sessions are on a second one beforehand, elsewhere afterwards, and that one has
// nothing left of them when it comes back.

import { setTimeout as delay } from 'node:timers/promises';
import type { Runner, WorktrailClient } from '@worktrail/client';
import type { Violation } from './checks.ts';
import { checkSecondRunnerEmpty } from './leftovers.ts';
import type { Target } from './target.ts';

/** So long after the loss every session is open elsewhere. */
export const LOST_RUNNER_MS = 45_000;

const AGAIN_AFTER_MS = 100;

export interface LostRunner {
  id: string;
}

/** The cluster's own runner has no engine until the second one is lost: it takes no session. */
export async function settleOnSecondRunner(
  target: Target,
  client: WorktrailClient,
  signal: AbortSignal,
): Promise<LostRunner> {
  const id = await target.secondRunner.start(client);
  await target.engineProxy.refuse();
  const isAway = (runner: Runner) => runner.id === id || runner.unavailable !== null;
  while (!(await client.runners.list({}, { signal })).items.every(isAway))
    await delay(AGAIN_AFTER_MS, undefined, { signal });
  return { id };
}

/** `sessionIds` are open on another runner before the time is over. */
export async function untilElsewhere(
  client: WorktrailClient,
  lost: LostRunner,
  sessionIds: readonly string[],
  lostAt: number,
  signal: AbortSignal,
): Promise<Violation[]> {
  for (;;) {
    const all = await Promise.all(sessionIds.map((id) => client.sessions.get(id, { signal })));
    const missing = all.filter(
      ({ state, runner }) => !['ready', 'busy'].includes(state) || runner === null || runner === lost.id,
    );
    if (missing.length === 0) return [];
    if (performance.now() - lostAt > LOST_RUNNER_MS) {
      return missing.map(({ id, state, runner }) => {
        const what = `session ${id} is ${state} on ${runner}, ${LOST_RUNNER_MS / 1000} s after its runner was lost`;
        return { kind: 'slow', what };
      });
    }
    await delay(AGAIN_AFTER_MS, undefined, { signal });
  }
}

/** The lost runner comes back, and takes away what it had. */
export async function returnRunner(target: Target, client: WorktrailClient, lost: LostRunner): Promise<Violation[]> {
  await target.secondRunner.start(client);
  return await checkSecondRunnerEmpty(target, lost.id);
}
