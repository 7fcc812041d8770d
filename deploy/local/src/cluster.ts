/**
 * The embedded cluster: one call starts everything on this machine, one stops it. `npm start` and the end-to-end tests use the same.
 *
 * 1. At most one cluster runs on a state directory; several run side by side on one machine.
 * 2. What a killed predecessor left is ended before anything starts; commands in sandboxes go on meanwhile.
 * 3. A start that fails leaves no process behind.
 * 4. `connection.json` exists while the cluster answers, and names the processes that run now.
 */
import { join } from 'node:path';
import { abortable } from './abortable.ts';
import { createClusterFiles, connectionOf } from './cluster-files.ts';
import { type ClusterPlan, planCluster, REPOSITORY_DIRECTORY, serviceUrl } from './cluster-plan.ts';
import { type Connection, readConnection, removeConnection } from './connection-file.ts';
import { ensureAccess } from './first-start.ts';
import { acquireInstanceLock } from './instance-lock.ts';
import { appendLogLine, startLogRotation } from './log-files.ts';
import type { ModelChoice } from './model/model-choice.ts';
import { withModel } from './model/with-model.ts';
import { DEFAULT_PORTS, holdPorts } from './ports.ts';
import { createProcessGroup } from './process-group.ts';
import { PROCESS_NAMES, type ProcessName, type ServiceName } from './process-names.ts';
import { type Report, step } from './progress.ts';
import { endLeftovers, readRunRecord } from './run-record.ts';
import { sweepScratch } from './scratch-directory.ts';
import { startProcesses } from './start-processes.ts';
import { openStateDirectory, removeSocketRoot, type StatePaths } from './state-directory.ts';
import { stopProcesses } from './stop-cluster.ts';
import { createStyle, formatProgress } from './terminal.ts';

const HOST = '127.0.0.1';

export interface ClusterOptions {
  stateDirectory: string;
  /** Of the API; by default the usual one, or another where that is taken. */
  port?: number | undefined;
  /** Beside the clone itself; by default those of the operator's configuration. */
  repositoryRoots?: string[];
  /** Where fetched tools and the image's root are kept; by default WORKTRAIL_TOOLS_DIR or in the state directory. */
  toolsDirectory?: string;
  onProgress?: Report;
  /** Over the environment of this process. */
  env?: NodeJS.ProcessEnv;
  /** Whether the first start makes a project for the clone. */
  projectForClone?: boolean;
  /** Where no model is named one is chosen; where none is configured it is a scripted one. */
  choosesModel?: boolean;
  /** Entry files in place of the services' own. */
  serviceEntries?: Partial<Record<ServiceName, string>>;
}

export interface Cluster {
  /** As in connection.json; its pids are those of now. */
  readonly connection: Connection;
  readonly state: StatePaths;
  /** Whether this start made the organization and its key. */
  readonly isFirstStart: boolean;
  /** What answers messages that name no model; null where that was left to the configuration. */
  readonly model: ModelChoice | null;
  /** A signal to one process, as from outside. */
  kill(name: ProcessName, signal: NodeJS.Signals): void;
  /** Resolves when the process is ready, after a restart too. */
  whenReady(name: ProcessName): Promise<void>;
  /** Ends everything within 15 s. A second call while the first works stops waiting and kills. */
  stop(): Promise<void>;
}

export class ClusterRunningError extends Error {
  override readonly name = 'ClusterRunningError';
  readonly connection: Connection | null;

  constructor(stateDirectory: string, connection: Connection | null) {
    super(
      connection
        ? `Worktrail runs already on ${stateDirectory}: ${connection.apiUrl} (process ${connection.pids.supervisor}).`
        : `Worktrail is starting or stopping already on ${stateDirectory}.`,
    );
    this.connection = connection;
  }
}

/** An abort of `signal` while the cluster starts ends the start; after that it has no effect. */
export async function startCluster(options: ClusterOptions, signal?: AbortSignal): Promise<Cluster> {
  const env = { ...process.env, ...options.env };
  const state = await openStateDirectory(options.stateDirectory, options.toolsDirectory ?? env.WORKTRAIL_TOOLS_DIR);
  const lock = await acquireInstanceLock(state.root);
  if (lock === null) throw new ClusterRunningError(state.root, await readConnection(state.connection));
  const report: Report = (event) => {
    appendLogLine(join(state.logs, 'supervisor.log'), formatProgress(event, createStyle(false)));
    options.onProgress?.(event);
  };
  const closers: Closer[] = [() => lock.release()];
  const failed = new AbortController();
  try {
    await cleanUpAfterCrash(state, report);
    const { port } = options;
    const held = await holdPorts(HOST, DEFAULT_PORTS, port === undefined ? {} : { gateway: port });
    closers.push(held.release, () => removeSocketRoot(state.root, env));
    const { repositoryRoots, serviceEntries } = options;
    const planned = await planCluster({
      state,
      host: HOST,
      ports: held.ports,
      env,
      repositoryRoots,
      serviceEntries,
      report,
      signal,
    });
    signal?.throwIfAborted();
    const { plan, model } = options.choosesModel
      ? await withModel(planned, (stop) => closers.push(stop))
      : { plan: planned, model: null };
    const startSignal = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
    const running = await runCluster(plan, options.projectForClone === true, report, closers, startSignal);
    return Object.assign(running, { model });
  } catch (error) {
    failed.abort();
    await closeAll(closers);
    throw error;
  }
}

type Closer = () => Promise<void> | void;

async function cleanUpAfterCrash(state: StatePaths, report: Report): Promise<void> {
  await removeConnection(state.connection);
  const swept = await sweepScratch(state.tools);
  if (swept.length > 0)
    report({ kind: 'note', title: `Removed what a killed start had half fetched: ${swept.length}` });
  const record = await readRunRecord(state.lock);
  if (record === null) return;
  await step(report, 'Clean up after a crash', async () => {
    const ended = await endLeftovers(record);
    return { detail: ended.length > 0 ? `ended ${ended.join(', ')}` : 'no process was left' };
  });
}

async function runCluster(
  plan: ClusterPlan,
  projectForClone: boolean,
  report: Report,
  closers: Closer[],
  signal: AbortSignal,
): Promise<Omit<Cluster, 'model'>> {
  const files = await createClusterFiles(plan);
  const group = createProcessGroup(report, files.update);
  const hurry = new AbortController();
  closers.push(
    () => files.remove(),
    () => stopProcesses({ plan, group, report, hurry: hurry.signal }),
    startLogRotation([...PROCESS_NAMES, 'supervisor'].map((name) => join(plan.state.logs, `${name}.log`))),
  );
  await abortable(startProcesses(plan, group, report, signal), signal);
  const access = await ensureAccess({
    apiUrl: serviceUrl(plan, 'gateway'),
    operatorToken: plan.secrets.operatorToken,
    clusterId: plan.secrets.clusterId,
    secretsDirectory: plan.state.secrets,
    recordPath: join(plan.state.root, 'first-start.json'),
    repositoryDirectory: projectForClone ? REPOSITORY_DIRECTORY : undefined,
    note: (title) => report({ kind: 'note', title }),
  });
  await files.publish(group, access);
  let stopping: Promise<void> | null = null;
  return {
    get connection() {
      return connectionOf(plan, group, access);
    },
    state: plan.state,
    isFirstStart: access.isFirstStart,
    kill: (name, processSignal) => group.get(name)?.kill(processSignal),
    whenReady: async (name) => await group.get(name)?.whenReady(),
    stop() {
      if (stopping) hurry.abort();
      stopping ??= closeAll(closers);
      return stopping;
    },
  };
}

/** In reverse; every closer runs, the first failure is thrown. */
async function closeAll(closers: Closer[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.splice(0).reverse()) {
    await Promise.resolve()
      .then(close)
      .catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}
