/**
 * The end of a cluster, within a bound: sessions are asked to end their commands and to hibernate, then every process stops in
 * reverse order. An own engine goes last, after its containers; volumes stay.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type ClusterPlan, serviceUrl } from './cluster-plan.ts';
import { cleanUpDaemon } from './docker-daemon.ts';
import { removeAllContainers } from './engine-containers.ts';
import type { ProcessGroup } from './process-group.ts';
import { type Report, step } from './progress.ts';
import type { SupervisedProcess } from './supervised-process.ts';

export const STOP_TIMEOUT_MS = 14_000;
const HIBERNATE_TIMEOUT_MS = 8_000;
const REMOVE_CONTAINERS_TIMEOUT_MS = 4_000;
const STOP_AT_LEAST_MS = 300;

export interface StopInput {
  plan: ClusterPlan;
  group: ProcessGroup;
  report: Report;
  /** Aborted by a second request to stop: from then on nothing is waited for. */
  hurry: AbortSignal;
}

export async function stopProcesses(input: StopInput): Promise<void> {
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  input.group.close();
  await hibernateSessions(input);
  const stopInOrder = async () => {
    for (const supervised of input.group.inStopOrder()) {
      if (supervised.name === 'dockerd') await emptyEngine(input);
      const remainingMs = Math.max(STOP_AT_LEAST_MS, deadline - performance.now());
      await stopOne(supervised, remainingMs, input);
    }
  };
  const killAtOnce = async () => {
    const all = input.group.inStopOrder().filter(({ name }) => name !== 'dockerd');
    await Promise.all(all.map((supervised) => supervised.stop(0)));
  };
  input.hurry.addEventListener('abort', () => void killAtOnce(), { once: true });
  if (input.hurry.aborted) await killAtOnce();
  await stopInOrder();
  if (input.plan.engine.kind === 'own') await cleanUpDaemon(input.plan.engine.plan);
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

async function emptyEngine(input: StopInput): Promise<void> {
  const removal = removeAllContainers(input.plan.engine.socket).catch(() => 0);
  await Promise.race([removal, delay(REMOVE_CONTAINERS_TIMEOUT_MS, 0, { ref: false })]);
}

async function stopOne(supervised: SupervisedProcess, remainingMs: number, input: StopInput): Promise<void> {
  if (input.hurry.aborted && supervised.name !== 'dockerd') return await supervised.stop(0);
  await step(input.report, `Stop ${supervised.name}`, () =>
    supervised.stop(Math.min(remainingMs, supervised.stopTimeoutMs)),
  );
}
