// A run of rounds on one target. `npm run chaos` and the test of `npm test` use the same.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient, type WorktrailClient } from '@worktrail/client';
import { makeRepository } from '../e2e/repository.ts';
import type { Violation } from './checks.ts';
import type { RoundPlan } from './faults.ts';
import { CHECK_COMMAND } from './git-workload.ts';
import { checkClusterGone } from './leftovers.ts';
import { runRound } from './round.ts';
import type { RoundResult } from './round-result.ts';
import { modelEnvironment, startScriptedModel } from '@worktrail/testing/scripted-model';
import { startTarget, type Target } from './target.ts';
import { answerOf, isScripted } from './turn-workload.ts';

/** Enough to outlast a machine that is down. */
const ATTEMPTS_MAX = 200;
/** An answer takes a second or two, so that faults come in the middle of some. */
const MODEL_PACE_MS = 200;

export interface Driver {
  readonly target: Target;
  /** An abort of `signal` ends the round without a verdict. */
  run(plan: RoundPlan, signal?: AbortSignal): Promise<RoundResult>;
  /** Stops everything and says what is left. After an interrupted round sessions may sleep. */
  close(interrupted?: boolean): Promise<Violation[]>;
}

export interface DriverOptions {
  directory: string;
  ownEngine: boolean;
  paceMs: number;
  note: (text: string) => void;
}

export async function startDriver({ directory, ownEngine, paceMs, note }: DriverOptions): Promise<Driver> {
  const model = await startScriptedModel({ answer: answerOf, isMessage: isScripted, paceMs: MODEL_PACE_MS });
  const target = await startTarget(directory, ownEngine, modelEnvironment(model.url));
  let closing: Promise<Violation[]> | null = null;
  const close = async (interrupted = false) => {
    await target.stopCluster();
    const left = await checkClusterGone(target, !interrupted);
    await target.close();
    await model.close();
    return left;
  };
  try {
    const clientWith = (attemptsMax: number): WorktrailClient =>
      createClient({ apiUrl: target.apiUrl, apiKey: target.apiKey, attemptsMax });
    const client = clientWith(ATTEMPTS_MAX);
    const impatient = clientWith(1);
    const repository = await makeRepository(join(target.repositoryRoot, 'work'), 50);
    const project = await client.projects.create({ name: 'work', repository: { url: repository.path } });
    const gitProject = await makeGitProject(target, client);
    const input = { target, client, impatient, projectId: project.id, gitProject, model, paceMs, note };
    return {
      target,
      run: (plan, signal) => runRound({ ...input, plan }, signal),
      close: (interrupted) => (closing ??= close(interrupted)),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whose main branch grows by proposals alone. */
async function makeGitProject(target: Target, client: WorktrailClient): Promise<{ id: string; upstream: string }> {
  const { path } = await makeRepository(join(target.repositoryRoot, 'git-work'), 50);
  const upstream = join(target.repositoryRoot, 'git-work.git');
  await promisify(execFile)('git', ['clone', '-q', '--bare', path, upstream]);
  const approval = { requiredApprovals: 0, requiredChecks: [CHECK_COMMAND] };
  const { id } = await client.projects.create({ name: 'git-work', repository: { url: upstream }, approval });
  return { id, upstream };
}
