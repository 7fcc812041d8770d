// worktrail trial run | show | cancel

import { setTimeout as delay } from 'node:timers/promises';
import type { Trial, TrialSession, WorktrailClient, WorktrailEvent } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { type AttemptOptions, plannedAttempts } from '../trial/planned-attempts.ts';
import { createTrialNarrator, followTrial } from '../trial/trial-lines.ts';
import { printTrial } from '../trial/trial-table.ts';
import { cutTo, padTo, visible } from '../screen/visible-text.ts';
import { resolveProjectId } from './resolve-project.ts';

const prefixColumnsMax = 20;

export interface TrialRunOptions extends AttemptOptions {
  project?: string;
  title?: string;
  name?: string;
  verify?: string[];
  maxParallel?: number;
  stopWhenPassed?: boolean;
  budgetTokens?: number;
  budgetCost?: number;
  budgetSeconds?: number;
  detach?: boolean;
}

export async function trialRun(cli: Cli, taskId: string | undefined, options: TrialRunOptions): Promise<number> {
  const attempts = plannedAttempts(options);
  const client = await cli.client();
  const task = taskId ?? (await createTask(cli, client, options));
  const { name, verify, maxParallel, budgetTokens: tokens, budgetCost: costUsd, budgetSeconds: seconds } = options;
  const hasBudget = tokens !== undefined || costUsd !== undefined || seconds !== undefined;
  const trial = await client.trials.create(task, {
    ...{ name, verify, maxParallel, attempts },
    ...(options.stopWhenPassed && { stopWhen: 'passed' }),
    ...(hasBudget && { budget: { tokens, costUsd, seconds } }),
  });
  return await showTrial(cli, trial, options.detach);
}

/** Its sessions live, and what came of it. */
export async function showTrial(cli: Cli, trial: Trial, detach = false): Promise<number> {
  const { screen } = cli;
  if (detach) {
    await (screen.json ? screen.document(trial) : screen.line(trial.id));
    return exitCodes.ok;
  }
  const ended = await showLive(cli, await cli.patientClient(), trial);
  if (ended === null) return exitCodes.interrupted;
  await (screen.json ? screen.jsonLine({ trial: ended }) : printTrial(screen, ended));
  return exitCodeOfTrial(ended);
}

async function createTask(cli: Cli, client: WorktrailClient, options: TrialRunOptions): Promise<string> {
  if (!options.title)
    throw new UsageError('which task? Give its id, or --title "<title>" (and --project) for a new one');
  const projectId = await resolveProjectId(cli, client, options.project);
  return (await client.tasks.create(projectId, { title: options.title })).id;
}

/** First Ctrl-C cancels the trial, a second one leaves it. Null when left. */
async function showLive(cli: Cli, client: WorktrailClient, trial: Trial): Promise<Trial | null> {
  const { screen, surroundings } = cli;
  const leave = new AbortController();
  let interrupts = 0;
  const stops = [
    surroundings.onSignal(['SIGINT'], () => {
      if (++interrupts > 1) return leave.abort();
      screen.note('worktrail: canceling the trial; again to leave it');
      client.trials.cancel(trial.id).catch((error: Error) => screen.note(`worktrail: ${error.message}`));
    }),
    surroundings.onSignal(['SIGTERM', 'SIGHUP'], () => leave.abort()),
  ];
  if (!screen.json) await screen.line(`trial ${trial.id}: ${attemptsText(trial.sessions.length)}`);
  const wait = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal });
  try {
    return await followTrial({ client, wait, showEvent: createShowEvent(cli) }, trial.id, leave.signal);
  } catch (error) {
    if (!leave.signal.aborted) throw error;
    screen.note(`worktrail: left trial ${trial.id}, which goes on. See it with: worktrail trial show ${trial.id}`);
    return null;
  } finally {
    for (const stop of stops) stop();
  }
}

function attemptsText(count: number): string {
  return count === 1 ? '1 attempt' : `${count} attempts`;
}

function createShowEvent({ screen }: Cli) {
  if (screen.json) return (event: WorktrailEvent) => screen.jsonLine(event);
  const { style } = screen;
  const paints = [style.cyan, style.yellow, style.green, style.bold];
  const narrate = createTrialNarrator();
  return async (event: WorktrailEvent, session: TrialSession, index: number) => {
    const name = cutTo(visible(session.title ?? session.sessionId), prefixColumnsMax);
    const paint = paints[index % paints.length]!;
    const prefix = paint(`${index + 1} ${padTo(name, prefixColumnsMax, 'left')} │ `);
    for (const line of narrate(event)) await screen.line(prefix + line);
  };
}

export async function trialShow(cli: Cli, trialId: string): Promise<number> {
  const trial = await (await cli.client()).trials.get(trialId);
  await (cli.screen.json ? cli.screen.document(trial) : printTrial(cli.screen, trial));
  return exitCodes.ok;
}

export async function trialCancel(cli: Cli, trialId: string): Promise<number> {
  const trial = await (await cli.client()).trials.cancel(trialId);
  await (cli.screen.json ? cli.screen.document(trial) : cli.screen.line(`${trial.id}  ${trial.state}`));
  return exitCodes.ok;
}

/** 0 when at least one attempt passed. */
export function exitCodeOfTrial(trial: Trial): number {
  return trial.sessions.some(({ verdict }) => verdict === 'passed') ? exitCodes.ok : exitCodes.failed;
}
