// Does a fault to a target, and ends it.

import { setTimeout as delay } from 'node:timers/promises';
import { sessionLabel } from './labels.ts';
import type { Fault } from './faults.ts';
import { isProcess, type Target } from './target.ts';

export interface Injection {
  /** performance.now() when the part was gone, or stopped, or cut off. */
  struckAt: number;
  /** Resolves once the part was let back, or started where that is the driver's to do, with the performance.now() of its begin. */
  over: Promise<number>;
}

/** `sandboxOf` is the session whose sandbox a fault of `sandbox` hits. An abort of `signal` ends the fault at once. */
export async function inject(target: Target, fault: Fault, sandboxOf: string, signal: AbortSignal): Promise<Injection> {
  const heal = await strike(target, fault, sandboxOf);
  const struckAt = performance.now();
  const over = (async () => {
    if (fault.lastMs > 0) await delay(fault.lastMs, undefined, { signal }).catch(() => undefined);
    const healedAt = performance.now();
    await heal();
    return healedAt;
  })();
  over.catch(() => undefined);
  return { struckAt, over };
}

/** What it returns ends the fault. */
async function strike(target: Target, fault: Fault, sandboxOf: string): Promise<() => Promise<void>> {
  const { action, component } = fault;
  if (isProcess(component)) {
    switch (action) {
      case 'kill':
        await target.kill(component);
        return async () => undefined;
      case 'pause':
        await target.signal(component, 'SIGSTOP');
        return () => target.signal(component, 'SIGCONT');
      case 'cut':
        target.links.cut(component);
        return async () => target.links.mend(component);
    }
  }
  switch (component) {
    case 'dockerd':
      return await strikeEngine(target, fault);
    case 'sandbox':
      await killSandbox(target, sandboxOf);
      return async () => undefined;
    case 'runner':
      // Where its sessions are to go.
      await target.engineProxy.pass();
      await target.secondRunner.kill();
      return async () => undefined;
    case 'cluster':
      await target.killCluster();
      return target.startCluster;
    case 'machine':
      await Promise.all([target.killCluster(), target.engine!.killAll()]);
      return async () => {
        await target.engine!.start(fault.liveRestore !== false);
        await target.startCluster();
      };
    default:
      throw new Error(`no such fault: ${action} ${component}`);
  }
}

async function strikeEngine(target: Target, { action, liveRestore }: Fault): Promise<() => Promise<void>> {
  if (action === 'cut') {
    await target.engineProxy.refuse();
    return () => target.engineProxy.pass();
  }
  const engine = target.engine!;
  if (action === 'pause') {
    engine.signal('SIGSTOP');
    return async () => engine.signal('SIGCONT');
  }
  await engine.kill();
  return () => engine.start(liveRestore !== false);
}

async function killSandbox(target: Target, sessionId: string): Promise<void> {
  const filters = { label: [`${sessionLabel}=${sessionId}`] };
  for (const { Id } of await target.docker.listContainers({ filters })) {
    await target.docker.getContainer(Id).kill({ signal: 'SIGKILL' });
  }
}
