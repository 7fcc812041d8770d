/**
 * Stops the services that act (gateway, orchestrator, sandbox-runner) for a moment, as they stand: what is saved meanwhile of Temporal and
 * NATS is what a machine that lost power at that moment would have. Commands in sandboxes go on.
 *
 * They go on whatever becomes of this process: another one sees to that.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { waitUntil } from '../wait-until.ts';

/** Below what the services take for a failure of others. */
export const STILL_SECONDS_MAX = 15;

export async function whileStill<T>(pids: readonly number[], work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const seconds = String(STILL_SECONDS_MAX + 1);
  const script = `sleep ${seconds}; kill -CONT ${pids.join(' ')}`;
  const rescuer = spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' });
  rescuer.unref();
  const limit = AbortSignal.timeout(STILL_SECONDS_MAX * 1_000);
  try {
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const areStopped = async () => (await Promise.all(pids.map(isStopped))).every(Boolean);
    await waitUntil(areStopped, { what: 'the services to stand still', timeoutMs: 5_000, intervalMs: 5 });
    return await Promise.race([work(limit), tooLong(limit)]);
  } finally {
    for (const pid of pids) resume(pid);
    if (rescuer.pid) killGroup(rescuer.pid);
  }
}

async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

function tooLong(limit: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const why = `the services would have stood still for more than ${STILL_SECONDS_MAX} s`;
    limit.addEventListener('abort', () => reject(new Error(why)), { once: true });
  });
}

function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended: the cluster starts it again.
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
