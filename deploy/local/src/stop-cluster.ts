/**
 * The end of a cluster, within a bound: sessions are asked to end their commands and to hibernate, then every process stops in
 * reverse order. An own engine goes last, after its containers; volumes stay.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type ClusterPlan, serviceUrl } from './cluster-plan.ts';
import { cleanUpDaemon, type DaemonPlan } from './docker-daemon.ts';
import { endContainersLeft, removeAllContainers } from './engine-containers.ts';
import type { ProcessGroup } from './process-group.ts';
import { type Report, step } from './progress.ts';
import { type StopStep, stopTimeMs } from './stop-budget.ts';
import type { SupervisedProcess } from './supervised-process.ts';

/** Of the 15 s that a stop may take; the rest is for a machine that is busy. */
const STOP_TIMEOUT_MS = 13_000;
const HIBERNATE_TIMEOUT_MS = 8_000;
const EMPTY_ENGINE_TIMEOUT_MS = 4_000;
const CLEAN_UP_ENGINE_TIMEOUT_MS = 4_000;

export interface StopInput {
  plan: ClusterPlan;
  group: ProcessGroup;
  report: Report;
  /** Aborted by a second request to stop: from then on nothing is waited for. */
  hurry: AbortSignal;
}

interface Step {
  kind: StopStep;
  wantedMs: number;
  run: (timeoutMs: number) => Promise<void>;
}

export async function stopProcesses(input: StopInput): Promise<void> {
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  input.group.close();
  await hibernateSessions(input);
  const killAtOnce = async () => {
    const all = input.group.inStopOrder().filter(({ name }) => name !== 'dockerd');
    await Promise.all(all.map((supervised) => supervised.stop(0)));
  };
  input.hurry.addEventListener('abort', () => void killAtOnce(), { once: true });
  if (input.hurry.aborted) await killAtOnce();
  const steps = stopSteps(input);
  for (const [index, { kind, wantedMs, run }] of steps.entries()) {
    const later = steps.slice(index + 1).map((step) => step.kind);
    await run(stopTimeMs(kind, wantedMs, deadline - performance.now(), later));
  }
}

function stopSteps(input: StopInput): Step[] {
  const { engine } = input.plan;
  const steps: Step[] = input.group.inStopOrder().flatMap((supervised): Step[] => {
    const stop: Step = {
      kind: 'process',
      wantedMs: supervised.stopTimeoutMs,
      run: (timeoutMs) => stopOne(supervised, timeoutMs, input),
    };
    if (supervised.name !== 'dockerd') return [stop];
    const run = (timeoutMs: number) => emptyEngine(engine.socket, timeoutMs);
    return [{ kind: 'empty-engine', wantedMs: EMPTY_ENGINE_TIMEOUT_MS, run }, stop];
  });
  if (engine.kind === 'found') return steps;
  const run = (timeoutMs: number) => atMost(cleanUpEngine(engine.plan), timeoutMs);
  return [...steps, { kind: 'clean-up-engine', wantedMs: CLEAN_UP_ENGINE_TIMEOUT_MS, run }];
}

async function hibernateSessions(input: StopInput): Promise<void> {
  if (input.hurry.aborted || !input.group.get('sandbox-runner')?.pid()) return;
  await step(input.report, 'Hibernate sessions', async () => {
    const signal = AbortSignal.any([input.hurry, AbortSignal.timeout(HIBERNATE_TIMEOUT_MS)]);
    const headers = { authorization: `Bearer ${input.plan.secrets.internalToken}` };
    const url = `${serviceUrl(input.plan, 'sandbox-runner')}/stop-cluster`;
    const response = await fetch(url, { method: 'POST', headers, signal });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the sandbox-runner answered ${response.status}`);
  }).catch(() => undefined);
}

async function emptyEngine(socket: string, timeoutMs: number): Promise<void> {
  await atMost(
    removeAllContainers(socket).catch(() => 0),
    timeoutMs,
  );
}

/** What an engine that hung could not remove ends here: containers outlive their engine. */
async function cleanUpEngine(plan: DaemonPlan): Promise<void> {
  await endContainersLeft(plan.execRoot).catch(() => undefined);
  await cleanUpDaemon(plan);
}

async function atMost(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  await Promise.race([work, delay(timeoutMs, undefined, { ref: false })]);
}

async function stopOne(supervised: SupervisedProcess, timeoutMs: number, input: StopInput): Promise<void> {
  if (input.hurry.aborted && supervised.name !== 'dockerd') return await supervised.stop(0);
  await step(input.report, `Stop ${supervised.name}`, () => supervised.stop(timeoutMs));
}
