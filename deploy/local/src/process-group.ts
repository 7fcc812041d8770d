/**
 * The processes of one cluster together: each started once, stopped in reverse order, their identities known at every moment.
 */
import type { ProcessIdentity } from './process-identity.ts';
import { PROCESS_NAMES, type ProcessName } from './process-names.ts';
import { type Report, step } from './progress.ts';
import type { RunRecord } from './run-record.ts';
import { createSupervisedProcess, type ProcessSpec, type SupervisedProcess } from './supervised-process.ts';

export interface ProcessGroup {
  /** Resolves when the process is ready. Refused once the group is closed. */
  start(spec: ProcessSpec): Promise<void>;
  get(name: ProcessName): SupervisedProcess | undefined;
  inStopOrder(): SupervisedProcess[];
  /** The latest identity of each process that was started. */
  identities(): RunRecord['processes'];
  /** Before stopping: nothing new is started from now on. */
  close(): void;
}

/** `onSpawn` is awaited at every start of a process before the process counts for anything. */
export function createProcessGroup(report: Report, onSpawn: (group: ProcessGroup) => Promise<void>): ProcessGroup {
  const processes = new Map<ProcessName, SupervisedProcess>();
  const identities: Partial<Record<ProcessName, ProcessIdentity>> = {};
  let isClosed = false;

  const group: ProcessGroup = {
    async start(spec) {
      if (isClosed) throw new Error(`${spec.name} was not started: the cluster is stopping.`);
      const supervised = createSupervisedProcess(spec, report, async (name, identity) => {
        identities[name] = identity;
        await onSpawn(group);
      });
      processes.set(spec.name, supervised);
      await step(report, `Start ${spec.name}`, async () => {
        await supervised.start();
        return { detail: `process ${supervised.pid()}` };
      });
    },
    get: (name) => processes.get(name),
    inStopOrder: () => [...PROCESS_NAMES].reverse().flatMap((name) => processes.get(name) ?? []),
    identities: () => ({ ...identities }),
    close() {
      isClosed = true;
    },
  };
  return group;
}
