// A session whose files are written, reverted, forked and put up by the API while faults come, one cycle after the other.
//
// A request that was refused for the moment is asked again; what came of one that was not answered is the client's to find out.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CallOptions,
  type Checkpoint,
  type Proposal,
  WorktrailApiError,
  type WorktrailClient,
} from '@worktrail/client';
import { type Followers, follow } from './followers.ts';
import { changesBetween, type Cycle, type Files, planCycle } from './git-workload.ts';

const AGAIN_AFTER_MS = 300;
const CYCLES_MAX = 20;
/** Nothing was done: to be asked again as another request. */
const REFUSED_FOR_NOW = ['session_busy', 'checkpoint_failed', 'rate_limited'];
const OVER: readonly Proposal['state'][] = ['merged', 'closed', 'rejected', 'conflicted', 'checks_failed'];

/** A tree that the API says there is. */
export interface KnownTree {
  what: string;
  sessionId: string;
  checkpointId: string;
  files: Files;
  /** Up to here the work tree became so: a host that was lost since the cycle began, and before this, excuses it. */
  until: string;
}

export interface DoneCycle {
  cycle: Cycle;
  /** Where the history was before it. */
  since: string;
  trees: KnownTree[];
  forks: string[];
  proposal: Proposal;
}

export interface GitWork {
  readonly sessionId: string;
  readonly followers: Followers;
  readonly cycles: readonly DoneCycle[];
  /** Cycles until the signal aborts, and at least one. */
  run(until: AbortSignal, deadline: AbortSignal): Promise<void>;
}

export function startGitWork(client: WorktrailClient, sessionId: string, seed: string): GitWork {
  const cycles: DoneCycle[] = [];
  return {
    sessionId,
    followers: follow(client, sessionId),
    cycles,
    async run(until, deadline) {
      for (let number = 1; number <= CYCLES_MAX && (number === 1 || !until.aborted); number++)
        cycles.push(await runCycle(client, sessionId, planCycle(seed, number), deadline));
    },
  };
}

async function runCycle(
  client: WorktrailClient,
  sessionId: string,
  cycle: Cycle,
  signal: AbortSignal,
): Promise<DoneCycle> {
  const { directory, first, second } = cycle;
  const since = (await client.sessions.get(sessionId, { signal })).lastCursor;
  const trees: KnownTree[] = [];
  const keep = async (what: string, files: Files): Promise<Checkpoint> => {
    const label = `${directory}, ${what}`;
    const made = await insist(signal, (options) => client.checkpoints.create(sessionId, { label }, options));
    trees.push({ what: label, sessionId, checkpointId: made.id, files, until: made.cursor });
    return made;
  };
  await write(client, sessionId, {}, first, signal);
  const one = await keep('first', first);
  await write(client, sessionId, first, second, signal);
  const two = await keep('second', second);
  const body = { checkpointId: one.id };
  const reverted = await insist(signal, (options) => client.sessions.revert(sessionId, body, options));
  trees.push({ what: `${directory}, reverted`, sessionId, checkpointId: reverted.id, files: first, until: one.cursor });
  const wanted = { checkpointId: two.id, count: cycle.forks };
  const forked = await insist(signal, (options) => client.sessions.fork(sessionId, wanted, options));
  const forks = forked.items.map(({ id }) => id);
  for (const id of forks)
    trees.push({ what: `${directory}, forked`, sessionId: id, checkpointId: two.id, files: second, until: two.cursor });
  const proposal = await propose(client, sessionId, cycle, signal);
  return { cycle, since, trees, forks, proposal };
}

async function write(
  client: WorktrailClient,
  sessionId: string,
  before: Files,
  after: Files,
  signal: AbortSignal,
): Promise<void> {
  for (const { path, text } of changesBetween(before, after)) {
    if (text !== null) {
      const bytes = new Uint8Array(Buffer.from(text));
      await insist(signal, (options) => client.files.put(sessionId, path, bytes, options));
      continue;
    }
    await insist(signal, (options) => client.files.delete(sessionId, path, options)).catch((error: unknown) => {
      // Its first answer was lost.
      if (!(error instanceof WorktrailApiError && error.code === 'not_found')) throw error;
    });
  }
}

/** As it is when it is over. */
async function propose(
  client: WorktrailClient,
  sessionId: string,
  { directory, race }: Cycle,
  signal: AbortSignal,
): Promise<Proposal> {
  const opened = await insist(signal, (options) => client.proposals.open(sessionId, { title: directory }, options));
  const { id } = opened;
  const ready = await untilState(client, id, ['mergeable', ...OVER], signal);
  if (ready.state !== 'mergeable') {
    const isOver = ready.state === 'merged' || ready.state === 'closed' || ready.state === 'rejected';
    return isOver ? ready : await insist(signal, (options) => client.proposals.close(id, {}, options));
  }
  const merge = insist(signal, (options) => client.proposals.merge(id, {}, options));
  const close = race ? insist(signal, (options) => client.proposals.close(id, {}, options)) : merge;
  for (const asked of await Promise.allSettled([merge, close])) {
    // Of two that were asked of it at once one is refused.
    const isRefusal = asked.status === 'rejected' && asked.reason instanceof WorktrailApiError && race;
    if (asked.status === 'rejected' && !(isRefusal && asked.reason.code === 'conflict')) throw asked.reason;
  }
  return await untilState(client, id, OVER, signal);
}

async function untilState(
  client: WorktrailClient,
  id: string,
  states: readonly Proposal['state'][],
  signal: AbortSignal,
): Promise<Proposal> {
  for (;;) {
    const proposal = await client.proposals.get(id, { signal });
    if (states.includes(proposal.state)) return proposal;
    await delay(AGAIN_AFTER_MS, undefined, { signal });
  }
}

async function insist<T>(signal: AbortSignal, ask: (options: CallOptions) => Promise<T>): Promise<T> {
  let idempotencyKey = randomUUID();
  for (;;) {
    try {
      return await ask({ idempotencyKey, signal });
    } catch (error) {
      const code = error instanceof WorktrailApiError ? error.code : null;
      if (code !== null && REFUSED_FOR_NOW.includes(code)) idempotencyKey = randomUUID();
      else if (code !== 'idempotency_in_progress') throw error;
      await delay(AGAIN_AFTER_MS, undefined, { signal });
    }
  }
}
