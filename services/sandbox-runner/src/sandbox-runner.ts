// The sandbox-runner: everything it opens, in order.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Worker } from '@temporalio/worker';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { runnerAnnouncementTtlMs } from '@worktrail/contract/runner-announcements';
import { buckets } from '@worktrail/contract/subjects';
import { proposalTaskQueue } from '@worktrail/contract/proposal-activities';
import { scanTaskQueue } from '@worktrail/contract/scan-messages';
import { hostTaskQueue, placementTaskQueue } from '@worktrail/contract/sandbox-activities';
import { openBucket } from '@worktrail/runtime/buckets';
import { startHealthServer } from '@worktrail/runtime/health-server';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { connectNats } from '@worktrail/runtime/nats';
import { answerHealth } from '@worktrail/runtime/part-health';
import { createReadiness } from '@worktrail/runtime/readiness';
import { openSecretBox } from '@worktrail/runtime/secret-box';
import {
  connectTemporalClient,
  connectTemporalNative,
  installTemporalRuntime,
  runWorker,
} from '@worktrail/runtime/temporal';
import { createTraceClient } from '@worktrail/runtime/trace-client';
import { createAcknowledgements } from './commands/acknowledgements.ts';
import { createPlacementActivities, createSandboxActivities } from './activities.ts';
import { openNatsArtifactStore } from './artifacts/artifact-store-nats.ts';
import { createCheckpointEngine, defaultCheckpointLimits } from './checkpoints/checkpoint-engine.ts';
import { createWorkspaceUpdating } from './checkpoints/workspace-update.ts';
import { createClusterStop } from './runner/cluster-stop.ts';
import { executeCommand } from './commands/command-execution.ts';
import { createCommandTurns } from './commands/command-turns.ts';
import type { SandboxRunnerConfig } from './config.ts';
import { startControlRequests } from './commands/control-requests.ts';
import { createDerivedImages } from './docker/derived-image.ts';
import { requireDiskSpace } from './host/disk-space.ts';
import { openProgramStarter } from './host/program-starter.ts';
import { sandboxUser } from './docker/docker-container-spec.ts';
import { createDockerDriver } from './docker/docker-driver.ts';
import { openGit } from './repositories/git-program.ts';
import { createLiveCommands } from './commands/live-commands.ts';
import { startPartWatch } from './host/part-watch.ts';
import { createPlacements } from './places/placement.ts';
import { createSecretReader } from './commands/project-secrets.ts';
import { createReconciler } from './reconcile/reconciler.ts';
import { startReconciling } from './reconcile/reconciling.ts';
import { createWorkflowFinder } from './reconcile/session-workflow.ts';
import { createContextTools } from './agent-tools/context-tools.ts';
import { createFileTools } from './agent-tools/file-tools.ts';
import { createAgentTurns } from './agents/agent-turns.ts';
import { createFileChanges } from './files/file-change.ts';
import { openRemoteCredentials } from './repositories/remote-credentials.ts';
import { gitRoutes } from './requests/git-routes.ts';
import { createLiveFiles } from './files/live-files.ts';
import { openContentRoutes } from './requests/content-requests.ts';
import { openSessionReading } from './files/session-reading.ts';
import { openRepositoryContext } from './context/repository-context.ts';
import { contextRoutes } from './requests/context-requests.ts';
import { diffRoutes } from './requests/diff-requests.ts';
import { createEgress } from './egress/egress.ts';
import { fileRoutes } from './requests/file-requests.ts';
import { createRequestRouter } from './requests/request-router.ts';
import { createProposalActivities } from './proposals/proposal-activities.ts';
import { clearProposalStores } from './proposals/proposal-store.ts';
import { createRepositoryMirrors } from './repositories/repository-mirror.ts';
import { createRepositoryPins } from './repositories/repository-pins.ts';
import { defaultRunnerUrl, startRunnerAnnouncement } from './runner/runner-announcement.ts';
import { openRunnerIdentity } from './runner/runner-identity.ts';
import { registerRunnerMetrics } from './runner/runner-metrics.ts';
import { followRunnerOrder } from './runner/runner-order.ts';
import { addRunnerChecks } from './runner/runner-readiness.ts';
import { createSandboxImages } from './docker/sandbox-images.ts';
import { createSandboxes } from './sandboxes/sandboxes.ts';
import { createScanActivities, createScanThread } from './scans/scan-activities.ts';
import { openServedRepositories } from './serving/served-repositories.ts';
import { createSessionActivity } from './sessions/session-activity.ts';
import { createSessionDirectories } from './sessions/session-directory.ts';
import { createAskToSleep, createTellModelsCalled } from './sessions/session-signals.ts';
import { startSlotKeeping } from './places/slot-keeping.ts';
import { startStaleSessions } from './sandboxes/stale-sessions.ts';

const version = '0.1.0';
const activitiesMax = 1_000;
const pollersMax = 8;
const proposalsAtOnceMax = 4;
const scansAtOnceMax = 2;

export interface RunningSandboxRunner {
  runnerId: string;
  /** Of /healthz, /readyz, /metrics, /stop-cluster and /internal/v1/. */
  port: number;
}

export async function startSandboxRunner(
  config: SandboxRunnerConfig,
  lifetime: Lifetime,
  log: Logger,
): Promise<RunningSandboxRunner> {
  const clock = Date.now;
  const startedAt = new Date(clock()).toISOString();
  const { dataDirectory, clusterId, control, sshConfig } = config;
  const runnerId = await openRunnerIdentity(dataDirectory, lifetime);
  const secretBox = await openSecretBox(config.secretsKey);
  const { start, callGit } = await openProgramStarter(lifetime);
  const git = await openGit(dataDirectory, callGit, lifetime.signal, sshConfig);

  const nats = await connectNats(config.nats, 'sandbox-runner', lifetime, log);
  const js = jetstream(nats);
  const jsm = await jetstreamManager(nats);
  const configuration = await openBucket(nats, buckets.configuration);
  const runners = await openBucket(nats, buckets.runners, { ttlMs: runnerAnnouncementTtlMs });
  const sessions = await openBucket(nats, buckets.sessions);
  const orders = await openBucket(nats, buckets.runnerOrders);
  const trace = createTraceClient(config.traceStoreUrl, config.internalToken);
  const events = { js, jsm, trace, log };

  const driver = createDockerDriver({
    clusterId,
    runnerId,
    socketPath: config.dockerSocket,
    supervisorPath: config.supervisorPath,
    control,
    startsAtOnceMax: config.startsAtOnceMax,
  });
  const derived = createDerivedImages({ driver, dataDirectory, log, signal: lifetime.signal });
  const images = createSandboxImages({ driver, baseImage: config.sandboxImage, derived });
  const { repositoryRoots: allowed, stateDirectory } = config;
  const roots = { allowed, stateDirectory, ssh: sshConfig !== undefined };
  const { replicas, storeBytesMax, objectBytesMax } = config.artifacts;
  const artifacts = await openNatsArtifactStore({ js, jsm, replicas, storeBytesMax, objectBytesMax, clock });
  const pins = createRepositoryPins({ git, artifacts, log, signal: lifetime.signal });
  const credentials = await openRemoteCredentials(dataDirectory, { configuration, secretBox });
  const mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials });
  const { diskReserveBytes } = config;
  const serving = { start, dataDirectory, diskReserveBytes, mirrors, sessions, artifacts, clock, log };
  const served = await openServedRepositories(serving);
  const directories = createSessionDirectories(dataDirectory, clusterId);
  const sessionPath = (sessionId: string) => directories.at(sessionId).path;
  const checkpoints = createCheckpointEngine({
    start,
    artifacts,
    events,
    sessionPath,
    sandboxUser,
    limits: { ...defaultCheckpointLimits, diskReserveBytes },
    clock,
  });
  const temporal = await connectTemporalClient(config.temporal, lifetime);
  const tellModelsCalled = createTellModelsCalled(temporal);
  const egress = createEgress({
    ...{ ...config.egress, sessions, tellModelsCalled, events, clock },
    signal: lifetime.signal,
  });
  const sandboxes = createSandboxes({
    driver,
    images,
    mirrors,
    directories,
    artifacts,
    checkpoints,
    egress,
    diskReserveBytes,
    clusterId,
    control,
    clock,
    log,
  });
  lifetime.onClose('sandboxes', () => sandboxes.close());
  await untilDone('Docker', () => sandboxes.countContainers(), lifetime.signal, log);
  sandboxes.watch(lifetime.signal);
  const engine = startPartWatch(() => driver.ping(), lifetime.signal);
  const disks = [dataDirectory, await untilDone('Docker', () => driver.storagePath(), lifetime.signal, log)];
  const onThisHost = disks.filter((path) => existsSync(path));
  const disk = startPartWatch(() => requireDiskSpace(onThisHost, config.diskReserveBytes), lifetime.signal);
  disk.onChange(() =>
    log.warn(
      { disks: onThisHost, failure: disk.failure() },
      'the free space of a disk fell below the reserve, or rose',
    ),
  );
  const lacking = (): RunnerDocument['unavailable'] => {
    for (const [part, watch] of [
      ['docker', engine],
      ['disk', disk],
    ] as const) {
      const detail = watch.failure();
      if (detail !== null) return { part, detail };
    }
    return null;
  };

  const readSecret = createSecretReader({ configuration, secretBox });
  const acknowledgements = createAcknowledgements(disk);
  const turns = createCommandTurns(config.runningCommands);
  const { variables: networkVariables } = egress;
  const publishing = { events, acknowledgements, clock };
  const execution = { sandboxes, directories, ...publishing, readSecret, networkVariables, turns };
  const commands = createLiveCommands((input, run) => executeCommand(execution, input, run), lifetime.signal);
  let announce = (): void => undefined;
  let keepSlots = (): void => undefined;
  const onOrder = () => {
    announce();
    keepSlots();
  };
  const { isDraining } = await followRunnerOrder(orders, runnerId, onOrder, lifetime, log);
  const { labels, sessionsMax, memoryMbMax } = config;
  const { occupied } = sandboxes;
  const bounds = { labels, sessionsMax, memoryMbMax };
  const placements = createPlacements({ runnerId, ...bounds, lacking, isDraining, occupied, clock });
  const activity = createSessionActivity(clock);
  startControlRequests({ nats, runnerId, commands, directories, log }, lifetime);

  const askToSleep = createAskToSleep(temporal, log);
  keepSlots = startSlotKeeping({ placements, commands, occupied, activity, isDraining, askToSleep, clock }, lifetime);
  const metrics = createMetrics('sandbox-runner');
  registerRunnerMetrics(metrics, { placements, commands });
  const readiness = createReadiness();
  addRunnerChecks(readiness, { engine, nats, temporal, supervisorPath: config.supervisorPath });
  const stopCluster = createClusterStop({ sandboxes, commands, temporal, token: config.internalToken, log });
  const { host } = config;
  const reading = await openSessionReading({
    start,
    dataDirectory,
    sessionPath,
    artifacts,
    mirrors,
    diskReserveBytes,
    clock,
  });
  lifetime.onClose('session reading', () => reading.close());
  const context = await openRepositoryContext({
    ...{ dataDirectory, diskReserveBytes, bytesMax: config.contextBytesMax, mirrors, clock, log },
  });
  lifetime.onClose('repository context', () => context.close());
  const live = createLiveFiles();
  const fileChanges = createFileChanges({ artifacts });
  const running = { sandboxes, directories, readSecret, networkVariables, clock };
  const agentTurns = createAgentTurns({ ...running, live, changes: fileChanges, events, trace });
  const contents = await openContentRoutes({ dataDirectory, artifacts, diskReserveBytes });
  const internalRoutes = [
    ...contextRoutes({ context, events, clock }),
    ...diffRoutes({ reading }),
    ...fileRoutes({ reading, live, sandboxes, directories }),
    ...gitRoutes(served),
    ...contents,
  ];
  const requests = createRequestRouter(internalRoutes, { token: config.internalToken, log, stopping: lifetime.signal });
  const routes = (...asked: Parameters<typeof requests>) => stopCluster(...asked) || requests(...asked);
  const { port } = await startHealthServer({ host, port: config.port, readiness, metrics, routes }, lifetime);
  const url = config.url ?? defaultRunnerUrl(host, port);

  installTemporalRuntime(log);
  const connection = await connectTemporalNative(config.temporal, lifetime, log);
  const { namespace } = config.temporal;
  const placementWorker = await Worker.create({
    connection,
    namespace,
    taskQueue: placementTaskQueue,
    activities: createPlacementActivities(placements),
    maxConcurrentActivityTaskExecutions: pollersMax,
  });
  const hostWorker = await Worker.create({
    connection,
    namespace,
    taskQueue: hostTaskQueue(runnerId),
    activities: createSandboxActivities({
      sandboxes,
      placements,
      commands,
      checkpoints,
      fileChanges,
      fileTools: createFileTools({ live, changes: fileChanges, events, readSecret, clock }),
      agentTurns,
      contextTools: createContextTools({ context, events, clock }),
      updating: createWorkspaceUpdating(mirrors),
      driver,
      engine,
      disk,
      directories,
      activity,
    }),
    maxConcurrentActivityTaskExecutions: activitiesMax,
    // As often as an activity beats that has to hear soon that it is canceled; the others beat less often.
    maxHeartbeatThrottleInterval: '500 milliseconds',
    maxConcurrentActivityTaskPolls: pollersMax,
  });
  const proposals = {
    start,
    directory: join(dataDirectory, 'proposals'),
    artifacts,
    mirrors,
    disk,
    credentials,
    fetch,
  };
  await clearProposalStores(proposals);
  const proposalWorker = await Worker.create({
    connection,
    namespace,
    taskQueue: proposalTaskQueue,
    activities: createProposalActivities({ ...proposals, diskReserveBytes: config.diskReserveBytes }),
    maxConcurrentActivityTaskExecutions: proposalsAtOnceMax,
  });
  const scanThread = createScanThread();
  lifetime.onClose('scans', () => scanThread.close());
  const scanWorker = await Worker.create({
    connection,
    namespace,
    taskQueue: scanTaskQueue,
    activities: createScanActivities({ context, thread: scanThread }),
    maxConcurrentActivityTaskExecutions: scansAtOnceMax,
  });
  runWorker(hostWorker, 'sandbox host', lifetime, log);
  runWorker(placementWorker, 'placement', lifetime, log);
  runWorker(proposalWorker, 'proposals', lifetime, log);
  runWorker(scanWorker, 'scans', lifetime, log);
  const isWorking = () =>
    [hostWorker, placementWorker, proposalWorker, scanWorker].every((worker) => worker.getState() === 'RUNNING');
  readiness.add('workers', async () => {
    if (!isWorking()) throw new Error('a worker does not run');
  });
  answerHealth(nats, 'docker', () => engine.failure() === null, lifetime);
  answerHealth(nats, 'sandbox-runner', isWorking, lifetime);

  startStaleSessions({ sandboxes, directories, sessions, nats, artifacts, log }, lifetime);
  const { reconcileGraceMs: graceMs } = config;
  const here = { runnerId, dataDirectory, driver, sandboxes, directories, sessions, signal: lifetime.signal };
  const reconciler = createReconciler({ ...here, hasWorkflow: createWorkflowFinder(temporal), graceMs, clock, log });
  startReconciling({ reconciler, nats, runnerId, log }, lifetime);
  const hostQueue = hostTaskQueue(runnerId);
  const describe = (): RunnerDocument => {
    const now = { slots: placements.slots(), draining: isDraining(), unavailable: lacking() };
    return { id: runnerId, hostQueue, url, startedAt, version, labels, ...now };
  };
  announce = await startRunnerAnnouncement(runners, describe, lifetime, log);
  engine.onChange(announce);
  disk.onChange(announce);
  return { runnerId, port };
}

/** Services may start in any order: what is not there yet is waited for. */
async function untilDone<T>(part: string, work: () => Promise<T>, signal: AbortSignal, log: Logger): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ reason: (error as Error).message }, `waiting for ${part}`);
      await delay(500, undefined, { signal });
    }
  }
}
