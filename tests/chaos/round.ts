// One round: work is started, faults come while it runs, and then everything is read back and checked.
//
// A failure to get an answer within the time is a violation like any other: a round always ends with a verdict.

import { setTimeout as delay } from 'node:timers/promises';
import type { WorktrailClient } from '@worktrail/client';
import {
  checkCommand,
  checkCommandEvents,
  checkHistory,
  checkProducers,
  compareFeed,
  type Violation,
} from './checks.ts';
import { allowedOutcomes, type Fault, faultName, type RoundPlan } from './faults.ts';
import { inject, type Injection } from './inject.ts';
import { checkSessionsGone } from './leftovers.ts';
import { readCommand, readHistory, readProducers, settledState } from './observe.ts';
import { untilRecovered } from './recovery.ts';
import { fileCheck, type SessionWork, startSessionWork } from './session-work.ts';
import type { Target } from './target.ts';
import { planWork } from './workload.ts';

const ROUND_TIMEOUT_MS = 240_000;
const READ_TIMEOUT_MS = 90_000;

export interface RoundInput {
  target: Target;
  /** Retries what fails for the moment. */
  client: WorktrailClient;
  /** Does not. */
  impatient: WorktrailClient;
  projectId: string;
  plan: RoundPlan;
  /** About how long the slow commands take. */
  paceMs: number;
  note: (text: string) => void;
}

export interface RoundResult {
  plan: RoundPlan;
  violations: Violation[];
  commands: number;
  lostSandboxes: number;
  bytes: number;
  events: number;
  /** Of a round with one fault: from the fault, or from its end where it lasts, until all worked again. */
  recovery: { fault: Fault; ms: number } | null;
  elapsedMs: number;
}

export async function runRound(input: RoundInput, stopping?: AbortSignal): Promise<RoundResult> {
  const within = (ms: number) => AbortSignal.any([AbortSignal.timeout(ms), ...(stopping ? [stopping] : [])]);
  const startedAt = performance.now();
  const result: RoundResult = {
    plan: input.plan,
    violations: [],
    commands: 0,
    lostSandboxes: 0,
    bytes: 0,
    events: 0,
    recovery: null,
    elapsedMs: 0,
  };
  /** All that were made, whatever came of them. */
  const sessions: string[] = [];
  const works: SessionWork[] = [];
  try {
    const lastMs = input.plan.faults.reduce((sum, { lastMs, delayMs }) => sum + lastMs + delayMs, 0);
    await work(input, result, sessions, works, within(ROUND_TIMEOUT_MS + lastMs));
    const signal = within(READ_TIMEOUT_MS);
    for (const one of works) await readBack(input.client, one, result, signal);
    await Promise.all(sessions.map((id) => input.client.sessions.archive(id, { signal })));
    result.violations.push(...(await checkSessionsGone(input.target, sessions)));
  } catch (error) {
    result.violations.push({ kind: 'stuck', what: describe(error) });
  }
  await Promise.all(works.map(({ followers }) => followers.stop()));
  result.elapsedMs = performance.now() - startedAt;
  return result;
}

function describe(error: unknown): string {
  const { stack, message } = error as Error;
  return (stack ?? message).split('\n').slice(0, 6).join(' | ');
}

async function work(
  input: RoundInput,
  result: RoundResult,
  sessions: string[],
  works: SessionWork[],
  signal: AbortSignal,
): Promise<void> {
  const { target, client, projectId, plan, note } = input;
  const planned = planWork(plan.seed, input.paceMs);
  const create = async (title: string) => {
    const session = await client.sessions.create(projectId, { title }, { waitSeconds: 60, signal });
    sessions.push(session.id);
    if (session.state !== 'ready') throw new Error(`session ${session.id} is ${session.state} after its creation`);
    return session.id;
  };
  const titles = ['probe', ...planned.map((_, index) => `work ${index}`)];
  const [probe, ...workers] = (await Promise.all(titles.map(create))) as [string, ...string[]];
  for (const [index, { tasks }] of planned.entries()) {
    const allowed = allowedOutcomes(plan, index);
    works.push(await startSessionWork(client, workers[index]!, tasks, allowed, signal));
  }
  await works[0]!.untilShare(plan.triggerShare, signal);

  const enough = new AbortController();
  const echoing = works[1]!.echo(enough.signal, signal);
  echoing.catch(() => undefined);
  const victim = works[plan.sandboxIndex]!;
  const injections: Injection[] = [];
  for (const fault of plan.faults) {
    await delay(fault.delayMs);
    note(faultName(fault));
    injections.push(await inject(target, fault, victim.sessionId));
  }
  const hitsSandbox = plan.faults.some(({ component }) => component === 'sandbox');
  result.recovery = await recover(input, injections, hitsSandbox ? victim : probe, signal);
  enough.abort();
  await echoing;
  for (const { sessionId, commands } of works) {
    for (const { id } of commands) await client.commands.waitForEnd(sessionId, id, { signal });
  }
}

/** Waits until all works again; of one fault it says how long that took: from the fault, or from its end where it lasts. */
async function recover(
  { impatient, plan }: RoundInput,
  injections: readonly Injection[],
  probe: SessionWork | string,
  signal: AbortSignal,
): Promise<RoundResult['recovery']> {
  const sessionId = typeof probe === 'string' ? probe : probe.sessionId;
  const over = await Promise.all(injections.map((injection) => injection.over));
  const isMomentary = plan.faults.every(({ lastMs }) => lastMs === 0);
  const endedAt = isMomentary ? injections[0]!.struckAt : Math.max(...over);
  const { at, commandId } = await untilRecovered(impatient, sessionId, signal);
  if (typeof probe !== 'string') probe.add('the first after the fault', commandId, 'recovered\n');
  const [fault, second] = plan.faults;
  return fault && !second ? { fault, ms: at - endedAt } : null;
}

async function readBack(
  client: WorktrailClient,
  { sessionId, followers, commands }: SessionWork,
  result: RoundResult,
  signal: AbortSignal,
): Promise<void> {
  const { violations } = result;
  const files: ReturnType<typeof fileCheck>[] = [];
  for (const command of commands) {
    const observed = await readCommand(client, sessionId, command.id, signal);
    violations.push(...checkCommand(command, observed));
    result.commands++;
    result.bytes += observed.stdout.length;
    if (observed.outcome === 'sandbox_lost') result.lostSandboxes++;
    if (observed.outcome === 'exited' && command.files.length > 0) files.push(fileCheck(command.files));
  }
  const known = new Set(commands.map(({ id }) => id));
  for (const { command, stdout } of files) {
    const read = await client.commands.run(sessionId, { command, stdin: '' }, { waitSeconds: 60, signal });
    known.add(read.id);
    if (read.output?.text !== stdout) violations.push({ kind: 'differs', what: `files: ${read.output?.text}` });
  }
  const listed: string[] = [];
  for await (const { id, state, command } of client.commands.all(sessionId, { signal })) {
    listed.push(id);
    if (state !== 'ended')
      violations.push({ kind: 'stuck', what: `${id} (${command.slice(0, 40)}) is listed as ${state}` });
  }
  const unknown = listed.filter((id) => !known.has(id));
  if (new Set(listed).size !== listed.length) violations.push({ kind: 'duplicate', what: 'a command is listed twice' });
  if (unknown.length > 0) violations.push({ kind: 'duplicate', what: `commands nobody asked for: ${unknown.join()}` });
  for (const id of known) if (!listed.includes(id)) violations.push({ kind: 'lost', what: `${id} is not listed` });

  const session = await settledState(client, sessionId, signal);
  if (session !== 'ready') violations.push({ kind: 'stuck', what: `session ${sessionId} is ${session}` });
  const history = await readHistory(client, sessionId, signal);
  result.events += history.length;
  violations.push(...checkHistory(sessionId, history), ...checkCommandEvents(history, listed));
  violations.push(...checkProducers(sessionId, await readProducers(client, sessionId, signal), history.length));
  for (const follower of followers.all) {
    const last = history.at(-1)!.cursor;
    await follower.reaches(last, AbortSignal.any([signal, AbortSignal.timeout(30_000)])).catch(() => {
      violations.push({
        kind: 'stuck',
        what: `${follower.way} of ${sessionId}: ${follower.failure() ?? 'goes on no more'}`,
      });
    });
    violations.push(...compareFeed(`${follower.way} of ${sessionId}`, history, follower.seen));
  }
}
