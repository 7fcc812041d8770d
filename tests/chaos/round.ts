// One round: faults come while sessions are made, while their work runs, or while they are archived; then everything is read back
// and checked.
//
// A failure to get an answer within the time is a violation like any other: a round always ends with a verdict.

import { setTimeout as delay } from 'node:timers/promises';
import type { WorktrailClient } from '@worktrail/client';
import { allowedOutcomes, faultName, losesRunner, type RoundPlan } from './faults.ts';
import { mainOf, readGitBack } from './git-read-back.ts';
import { type GitWork, startGitWork } from './git-work.ts';
import { inject, type Injection } from './inject.ts';
import { checkSessionsGone } from './leftovers.ts';
import { type LostRunner, returnRunner, settleOnSecondRunner, untilElsewhere } from './lost-runner.ts';
import { settledState } from './observe.ts';
import { readFeeds } from './read-feeds.ts';
import { readBack } from './read-back.ts';
import { untilRecovered } from './recovery.ts';
import { emptyResult, type RoundResult } from './round-result.ts';
import type { ScriptedModel } from '@worktrail/testing/scripted-model';
import { type SessionWork, startSessionWork } from './session-work.ts';
import type { Target } from './target.ts';
import { checkTurns, startTurnWork, type TurnWork } from './turn-work.ts';
import { planWork } from './workload.ts';

const ROUND_TIMEOUT_MS = 480_000;
const CREATE_WAIT_SECONDS = 280;
/** Of a session whose sandbox is not hit alone. */
const NO_VICTIM = -1;

export interface RoundInput {
  target: Target;
  /** Retries what fails for the moment. */
  client: WorktrailClient;
  /** Does not. */
  impatient: WorktrailClient;
  projectId: string;
  gitProject: { id: string; upstream: string };
  /** Of the agents. */
  model: Pick<ScriptedModel, 'asked'>;
  plan: RoundPlan;
  /** About how long the slow commands take. */
  paceMs: number;
  note: (text: string) => void;
}

/** What a round has under way. */
interface Round extends RoundInput {
  result: RoundResult;
  signal: AbortSignal;
  /** All that were made, whatever came of them. */
  sessions: string[];
  works: SessionWork[];
  gitWorks: GitWork[];
  turnWorks: TurnWork[];
  injections: Injection[];
  /** What is waited for at this moment: told of a round that is stuck. */
  waits: Set<string>;
}

export async function runRound(input: RoundInput, stopping?: AbortSignal): Promise<RoundResult> {
  const startedAt = performance.now();
  const lastMs = input.plan.faults.reduce((sum, fault) => sum + fault.lastMs + fault.delayMs, 0);
  const timeout = AbortSignal.timeout(ROUND_TIMEOUT_MS + lastMs);
  const signal = stopping ? AbortSignal.any([timeout, stopping]) : timeout;
  const round: Round = {
    ...input,
    result: emptyResult(input.plan),
    signal,
    sessions: [],
    works: [],
    gitWorks: [],
    turnWorks: [],
    injections: [],
    waits: new Set(),
  };
  try {
    await live(round);
    round.result.violations.push(...(await checkSessionsGone(input.target, round.sessions)));
  } catch (error) {
    round.result.violations.push({
      kind: 'stuck',
      what: `${describe(error)} | waiting for: ${[...round.waits].join(', ')}`,
    });
  }
  // What was begun is ended, also where the round is given up.
  await Promise.allSettled(round.injections.map(({ over }) => over));
  await input.target.secondRunner.stop();
  await input.target.engineProxy.pass();
  await Promise.all([...round.works, ...round.gitWorks, ...round.turnWorks].map(({ followers }) => followers.stop()));
  round.result.elapsedMs = performance.now() - startedAt;
  return round.result;
}

function describe(error: unknown): string {
  const { stack, message } = error as Error;
  return (stack ?? message).split('\n').slice(0, 6).join(' | ');
}

async function named<T>({ waits }: Round, what: string, promise: Promise<T>): Promise<T> {
  waits.add(what);
  const value = await promise;
  waits.delete(what);
  return value;
}

async function live(round: Round): Promise<void> {
  const { client, plan, signal, works } = round;
  const planned = planWork(plan.seed, round.paceMs);
  const mainBefore = await mainOf(round.gitProject.upstream);
  const lost = losesRunner(plan)
    ? await named(round, 'the second runner', settleOnSecondRunner(round.target, client, signal))
    : null;
  const probe = await named(round, 'the first session', createSession(round, 'probe'));
  const creatingForGit = plan.withGit ? createSession(round, 'git work', round.gitProject.id) : Promise.resolve(null);
  creatingForGit.catch(() => undefined); // told where it is awaited
  const creatingForTurns = plan.withTurns ? createSession(round, 'turns') : Promise.resolve(null);
  creatingForTurns.catch(() => undefined); // told where it is awaited
  const creating = Promise.all(planned.map((_, index) => createSession(round, `work ${index}`)));
  creating.catch(() => undefined); // told where it is awaited
  if (plan.phase === 'creating') await disturb(round, probe);
  for (const [index, sessionId] of (await named(round, 'sessions', creating)).entries()) {
    const allowed = allowedOutcomes(plan, index);
    works.push(await startSessionWork(client, sessionId, planned[index]!, allowed, signal));
  }
  const gitSession = await creatingForGit;
  if (gitSession !== null) round.gitWorks.push(startGitWork(client, gitSession, plan.seed));
  const turnSession = await creatingForTurns;
  if (turnSession !== null) round.turnWorks.push(startTurnWork(client, round.target, turnSession));
  if (plan.phase === 'running') await disturbWork(round, probe, lost);
  else {
    const [slept] = await Promise.all([
      works.at(-1)!.nap(AbortSignal.abort(), signal),
      ...[...round.gitWorks, ...round.turnWorks].map((work) => work.run(AbortSignal.abort(), signal)),
    ]);
    round.result.hibernations += slept;
  }
  for (const { sessionId, commands } of works) {
    for (const { id, name } of commands)
      await named(round, `${name} in ${sessionId}`, client.commands.waitForEnd(sessionId, id, { signal }));
  }
  for (const work of works)
    await named(round, `the history of ${work.sessionId}`, readBack(client, work, round.result, signal));
  for (const work of round.turnWorks) await named(round, `the turns of ${work.sessionId}`, readTurnsBack(round, work));
  const side = { projectId: round.gitProject.id, upstream: round.gitProject.upstream, mainBefore };
  const archive = (sessionId: string) => client.sessions.archive(sessionId, { signal });
  const toArchive = [...works, ...round.turnWorks].map(({ sessionId }) => sessionId);
  for (const work of round.gitWorks) {
    const reading = readGitBack(client, work, side, round.result, signal);
    const { checks, forks } = await named(round, `the git work of ${work.sessionId}`, reading);
    // The sessions of checks are let go by their proposals.
    round.sessions.push(...checks, ...forks);
    toArchive.push(work.sessionId, ...forks);
  }
  const archiving = Promise.all(toArchive.map(archive));
  archiving.catch(() => undefined); // told where it is awaited
  if (plan.phase === 'archiving') await disturb(round, probe);
  await named(round, 'sessions to be archived', archiving);
  await archive(probe);
}

async function readTurnsBack({ client, plan, model, result, signal }: Round, work: TurnWork): Promise<void> {
  const mayFail = allowedOutcomes(plan, NO_VICTIM).length > 1;
  const history = await readFeeds(client, work, result.violations, signal);
  result.events += history.length;
  result.turns += work.turns.length;
  result.violations.push(...(await checkTurns(work, { client, asked: model.asked, mayFail, signal })));
}

async function createSession(round: Round, title: string, projectId = round.projectId): Promise<string> {
  const { client, sessions, signal } = round;
  const { id } = await client.sessions.create(projectId, { title }, { waitSeconds: CREATE_WAIT_SECONDS, signal });
  sessions.push(id);
  const state = await settledState(client, id, signal);
  if (state !== 'ready') throw new Error(`session ${id} (${title}) is ${state} after its creation`);
  return id;
}

/** Short commands go on beside the slow ones, and a session goes to sleep and wakes, until all works again. */
async function disturbWork(round: Round, probe: string, lost: LostRunner | null): Promise<void> {
  const { client, plan, signal, works, sessions } = round;
  const enough = new AbortController();
  const sleeper = works.at(-1)!;
  const napping = named(round, 'naps', sleeper.nap(enough.signal, signal));
  napping.catch(() => undefined); // told where it is awaited
  await works[0]!.untilShare(plan.triggerShare, signal);
  const echoing = named(round, 'echoes', works[1]!.echo(enough.signal, signal));
  echoing.catch(() => undefined); // told where it is awaited
  const changing = Promise.all([
    ...round.gitWorks.map((work) => named(round, 'git work', work.run(enough.signal, signal))),
    ...round.turnWorks.map((work) => named(round, 'turns', work.run(enough.signal, signal))),
  ]);
  changing.catch(() => undefined); // told where it is awaited
  const victim = works[plan.sandboxIndex]!;
  const hitsSandbox = plan.faults.some(({ component }) => component === 'sandbox');
  const commandIds = await disturb(round, hitsSandbox ? victim.sessionId : probe, victim.sessionId);
  if (hitsSandbox) for (const id of commandIds) victim.add('after the fault', id, 'recovered\n');
  enough.abort();
  await echoing;
  await changing;
  round.result.hibernations += await napping;
  if (!lost) return;
  await client.sessions.resume(sleeper.sessionId, { waitSeconds: 60, signal });
  const struckAt = round.injections[0]!.struckAt;
  round.result.violations.push(...(await untilElsewhere(client, lost, sessions, struckAt, signal)));
  round.result.violations.push(...(await returnRunner(round.target, client, lost)));
}

/**
 * Does the faults, and waits until all works again, which a command in the session `probe` tells. Of one fault the result says how
 * long that took: from the fault, or from its end where it lasts.
 */
async function disturb(round: Round, probe: string, victim = probe): Promise<string[]> {
  const { plan, signal } = round;
  const { injections } = round;
  for (const fault of plan.faults) {
    await delay(fault.delayMs, undefined, { signal });
    round.note(faultName(fault));
    injections.push(await inject(round.target, fault, victim, signal));
  }
  const over = await Promise.all(injections.map((injection) => injection.over));
  const isMomentary = plan.faults.every(({ lastMs }) => lastMs === 0);
  const endedAt = isMomentary ? injections[0]!.struckAt : Math.max(...over);
  const recovering = untilRecovered(round.impatient, probe, signal);
  const { at, commandIds } = await named(round, 'recovery', recovering);
  const [fault, second] = plan.faults;
  if (fault && !second) round.result.recovery = { fault, ms: at - endedAt };
  return commandIds;
}
