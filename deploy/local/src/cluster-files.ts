/**
 * What a running cluster keeps on disk about itself: the record of its processes, and connection.json once it answers. Both follow
 * every restart, one write at a time.
 */
import { type ClusterPlan, serviceUrl } from './cluster-plan.ts';
import { type Connection, PID_NAMES, removeConnection, writeConnection } from './connection-file.ts';
import type { Access } from './first-start.ts';
import type { ProcessGroup } from './process-group.ts';
import { identifyProcess, type ProcessIdentity } from './process-identity.ts';
import { PROCESS_NAMES } from './process-names.ts';
import { removeRunRecord, writeRunRecord } from './run-record.ts';

export interface ClusterFiles {
  /** After every start of a process. */
  update(group: ProcessGroup): Promise<void>;
  /** From now on connection.json is there. */
  publish(group: ProcessGroup, access: Access): Promise<void>;
  remove(): Promise<void>;
}

export async function createClusterFiles(plan: ClusterPlan): Promise<ClusterFiles> {
  const supervisor = await identifyProcess(process.pid);
  if (supervisor === null) throw new Error('/proc cannot be read: the embedded cluster runs on Linux only.');
  let published: Access | null = null;
  let isRemoved = false;
  let writes: Promise<void> = Promise.resolve();

  const write = (group: ProcessGroup) => {
    const own = writes.then(() => (isRemoved ? undefined : writeAll(plan, supervisor, group, published)));
    writes = own.catch(() => undefined); // a write that fails is told to who asked for it; the next one is tried
    return own;
  };
  return {
    update: write,
    async publish(group, access) {
      published = access;
      await write(group);
    },
    async remove() {
      isRemoved = true;
      await writes;
      await removeConnection(plan.state.connection);
      await removeRunRecord(plan.state.lock);
    },
  };
}

async function writeAll(
  plan: ClusterPlan,
  supervisor: ProcessIdentity,
  group: ProcessGroup,
  access: Access | null,
): Promise<void> {
  await writeRunRecord(plan.state.lock, { supervisor, processes: group.identities() });
  if (access) await writeConnection(plan.state.connection, connectionOf(plan, group, access));
}

export function connectionOf(plan: ClusterPlan, group: ProcessGroup, access: Access): Connection {
  const identities = group.identities();
  const pids = PROCESS_NAMES.flatMap((name) => {
    const identity = identities[name];
    return identity ? [[PID_NAMES[name], identity.pid] as const] : [];
  });
  return {
    apiUrl: serviceUrl(plan, 'gateway'),
    apiKey: access.apiKey,
    dockerSocket: plan.engine.socket,
    stateDirectory: plan.state.root,
    configPath: plan.configPath,
    pids: { supervisor: process.pid, ...Object.fromEntries(pids) } as Connection['pids'],
    addresses: {
      nats: `nats://${plan.host}:${plan.ports.nats}`,
      temporal: `${plan.host}:${plan.ports.temporal}`,
      traceStore: serviceUrl(plan, 'trace-store'),
      orchestrator: serviceUrl(plan, 'orchestrator'),
      sandboxRunner: serviceUrl(plan, 'sandbox-runner'),
    },
    temporalNamespace: plan.secrets.temporalNamespace,
    organizationId: access.organizationId,
    projectId: access.projectId,
  };
}
