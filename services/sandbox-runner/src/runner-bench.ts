// For integration tests: a runner's parts on a real Docker engine, a real nats-server and a real repository, without Temporal. A
// restart takes the parts down as a killed process would and makes them anew on the same disk.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { create, fromBinary } from '@bufbuild/protobuf';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { Environment } from '@worktrail/contract/environment';
import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { buckets, type EventScope, eventStream, eventStreamSubjects, eventSubject } from '@worktrail/contract/subjects';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { GetProducerMarkResponseSchema } from '@worktrail/proto/trace';
import { openBucket } from '@worktrail/runtime/buckets';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import { createLogger } from '@worktrail/runtime/log';
import { createSecretBox, type SecretBox } from '@worktrail/runtime/secret-box';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch } from '@worktrail/testing/scratch';
import { toolPath } from '@worktrail/testing/tool-paths';
import Docker from 'dockerode';
import { createAcknowledgements } from './commands/acknowledgements.ts';
import { type NatsArtifactStore, openNatsArtifactStore } from './artifacts/artifact-store-nats.ts';
import {
  type CheckpointEngine,
  createCheckpointEngine,
  defaultCheckpointLimits,
} from './checkpoints/checkpoint-engine.ts';
import { executeCommand } from './commands/command-execution.ts';
import { createCommandTurns, type TurnQuotas } from './commands/command-turns.ts';
import { createDerivedImages } from './docker/derived-image.ts';
import { sandboxUser } from './docker/docker-container-spec.ts';
import { createDockerDriver } from './docker/docker-driver.ts';
import { createEgress, type EgressDeps } from './egress/egress.ts';
import type { ModelAccess } from './egress/model-calls.ts';
import { openGit } from './repositories/git-program.ts';
import { type ActivityRun, createLiveCommands, type LiveCommands } from './commands/live-commands.ts';
import { type PartWatch, startPartWatch } from './host/part-watch.ts';
import { createSecretReader } from './commands/project-secrets.ts';
import { createRepositoryPins } from './repositories/repository-pins.ts';
import { openRemoteCredentials, type RemoteCredentials } from './repositories/remote-credentials.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from './repositories/repository-mirror.ts';
import type { SandboxDriver } from './docker/sandbox-driver.ts';
import { createSandboxImages } from './docker/sandbox-images.ts';
import { createSandboxes, type Sandboxes } from './sandboxes/sandboxes.ts';
import { createSessionDirectories, type SessionDirectories } from './sessions/session-directory.ts';
import { callGitAsChild } from './host/git-call.ts';
import { startAsChild } from './host/program-start.ts';

const run = promisify(execFile);
export const log = createLogger({ service: 'test', level: process.env['WORKTRAIL_TEST_LOG'] ?? 'silent' });

export interface RunnerParts {
  sandboxes: Sandboxes;
  commands: LiveCommands;
  mirrors: RepositoryMirrors;
  directories: SessionDirectories;
  driver: SandboxDriver;
  checkpoints: CheckpointEngine;
}

/** One of the runners on the engine. */
export interface BenchRunner {
  /** Of the process that lives now. */
  parts(): RunnerParts;
  /** The parts are let go of, as by SIGKILL, and made again. */
  restart(): Promise<void>;
  /** What a command prints, run to its end. */
  output(session: OpenSandboxInput, text: string): Promise<string>;
  /** What there is of a session. */
  left(session: Pick<OpenSandboxInput, 'sessionId'>): Promise<string[]>;
}

export interface RunnerBench extends BenchRunner {
  readonly path: string;
  /** A repository with a few files and a second branch. */
  readonly repositoryPath: string;
  readonly clusterId: string;
  readonly nats: NatsServer;
  readonly connection: NatsConnection;
  readonly configuration: KV;
  readonly secretBox: SecretBox;
  readonly sessions: KV;
  readonly artifacts: NatsArtifactStore;
  /** With what events are published. */
  readonly publishing: ProducerDeps;
  /** What is wrong with the runners' disk, or null. Resolves when the runner that was started last knows. */
  setDiskFailure(failure: string | null): Promise<void>;
  /** Another one, with a disk of its own. */
  addRunner(): Promise<BenchRunner>;
  git(args: string[], directory?: string): Promise<string>;
  events(input: RunCommandInput): Promise<Event[]>;
  eventsOf(scope: EventScope, producer: string): Promise<Event[]>;
  /** An image with nothing in it. */
  makeEmptyImage(name: string): Promise<void>;
  removeImage(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function startRunnerBench(
  name: string,
  control: 'fifo' | 'exec' = 'fifo',
  options: { runningCommands?: TurnQuotas; egress?: Partial<EgressDeps> } = {},
): Promise<RunnerBench> {
  const scratch = await makeScratch(name);
  const nats = await startNatsServer(join(scratch.path, 'nats'));
  const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const jsm = await jetstreamManager(connection);
  const js = jetstream(connection, { timeout: 1_000 });
  await jsm.streams.add({
    name: eventStream(0),
    subjects: [eventStreamSubjects(0).stored],
    discard: 'new',
    allow_direct: true,
  });
  const configuration = await openBucket(connection, buckets.configuration);
  const secretBox = createSecretBox(Buffer.alloc(32, 7));
  const clusterId = `test-${process.pid}-${newId('event').slice(-6)}`;
  const sessions = await openBucket(connection, buckets.sessions);
  const store = { replicas: 1, storeBytesMax: null, objectBytesMax: 1024 ** 3, clock: Date.now };
  const artifacts = await openNatsArtifactStore({ js, jsm, ...store });
  const repositoryPath = join(scratch.path, 'repositories', 'upstream');
  await makeRepository(repositoryPath);

  // Nothing is purged here: a subject that is empty never had anything.
  const trace = {
    getProducerMark: async () => create(GetProducerMarkResponseSchema),
    getCommand: async (): Promise<never> => {
      throw new Error('the trace-store was asked although the subject is not empty');
    },
  };
  const events = { js, jsm, log, trace };

  let diskFailure: string | null = null;
  const disks: PartWatch[] = [];
  const startDisk = (signal: AbortSignal): PartWatch => {
    const disk = startPartWatch(async () => {
      if (diskFailure !== null) throw new Error(diskFailure);
    }, signal);
    disks.push(disk);
    return disk;
  };
  const runners: { runner: BenchRunner; stop(): Promise<void> }[] = [];
  const startRunner = async (runnerId: string, dataDirectory: string): Promise<BenchRunner> => {
    let alive = new AbortController();
    const make = async (): Promise<RunnerParts> => {
      const engine = {
        socketPath: toolPath('WORKTRAIL_DOCKER_SOCKET'),
        supervisorPath: toolPath('WORKTRAIL_SUPERVISOR'),
      };
      const driver = createDockerDriver({ clusterId, runnerId, ...engine, control, startsAtOnceMax: 4 });
      const derived = createDerivedImages({ driver, dataDirectory, log, signal: alive.signal });
      const images = createSandboxImages({ driver, baseImage: toolPath('WORKTRAIL_SANDBOX_IMAGE'), derived });
      const roots = { allowed: [join(scratch.path, 'repositories')], stateDirectory: dataDirectory, ssh: false };
      const git = await openGit(dataDirectory, callGitAsChild, alive.signal);
      const pins = createRepositoryPins({ git, artifacts, log, signal: alive.signal });
      const credentials = await openRemoteCredentials(dataDirectory, { configuration, secretBox });
      const mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials });
      const directories = createSessionDirectories(dataDirectory, clusterId);
      const checkpoints = createCheckpointEngine({
        start: startAsChild,
        artifacts,
        events,
        sessionPath: (sessionId) => directories.at(sessionId).path,
        sandboxUser,
        limits: { ...defaultCheckpointLimits, diskReserveBytes: 0 },
        clock: Date.now,
      });
      const publisher = { events, clock: Date.now, signal: alive.signal };
      const modelsOf = { models: noModels, named: {}, sessions, tellModelsCalled: async () => undefined };
      const egress = createEgress({ privateAllowed: [], ...modelsOf, ...options.egress, ...publisher });
      const engines = { driver, images, mirrors, checkpoints, artifacts, egress };
      const sandboxes = createSandboxes({
        ...engines,
        directories,
        diskReserveBytes: 0,
        clusterId,
        control,
        clock: Date.now,
        log,
      });
      await sandboxes.countContainers();
      sandboxes.watch(alive.signal);
      const readSecret = createSecretReader({ configuration, secretBox });
      const acknowledgements = createAcknowledgements(startDisk(alive.signal));
      const turns = createCommandTurns(options.runningCommands ?? { perOrganizationMax: null, perProjectMax: null });
      const { variables: networkVariables } = egress;
      const publishing = { events, acknowledgements, clock: Date.now };
      const execution = { sandboxes, directories, ...publishing, readSecret, networkVariables, turns };
      const commands = createLiveCommands((input, run) => executeCommand(execution, input, run), alive.signal);
      return { sandboxes, commands, mirrors, directories, driver, checkpoints };
    };
    let parts = await make();
    const runner = {
      parts: () => parts,
      async restart() {
        alive.abort();
        parts.sandboxes.close();
        alive = new AbortController();
        parts = await make();
      },
      async output(session: OpenSandboxInput, text: string) {
        const command = newCommand(session, text);
        await parts.commands.run(command, activityRun());
        return outputOf(await eventsOf(command, command.command.id)).toString();
      },
      async left({ sessionId }: Pick<OpenSandboxInput, 'sessionId'>) {
        const { driver, directories } = parts;
        const containers = await driver.listContainers(sessionId);
        const volumes = await driver.listVolumes(sessionId);
        const directory = (await directories.list()).filter((one) => one === sessionId);
        return [
          ...containers.map(() => 'container'),
          ...volumes.map(() => 'volume'),
          ...directory.map(() => 'directory'),
        ];
      },
    };
    const stop = async () => {
      alive.abort();
      await removeOwned(parts.driver);
      parts.sandboxes.close();
    };
    runners.push({ runner, stop });
    return runner;
  };
  const first = await startRunner('run-test', join(scratch.path, 'data'));

  async function eventsOf(scope: EventScope, producer: string): Promise<Event[]> {
    const stored: Event[] = [];
    const subject = eventSubject(scope, producer);
    for (let sequence = 1; ; sequence += 1) {
      const message = await jsm.direct
        .getMessage(eventStream(0), { seq: sequence, next_by_subj: subject })
        .catch(() => null);
      if (!message) return stored;
      stored.push(fromBinary(EventSchema, message.data));
      sequence = message.seq;
    }
  }

  return {
    path: scratch.path,
    repositoryPath,
    clusterId,
    nats,
    connection,
    configuration,
    secretBox,
    sessions,
    artifacts,
    publishing: events,
    async setDiskFailure(failure) {
      diskFailure = failure;
      while (disks.at(-1)?.failure() !== failure) await delay(20);
    },
    ...first,
    addRunner: () => startRunner(`run-test-${runners.length}`, join(scratch.path, `data-${runners.length}`)),
    git: async (args, directory = repositoryPath) => (await run('git', args, { cwd: directory })).stdout,
    events: (input) => eventsOf(input, input.command.id),
    eventsOf,
    async makeEmptyImage(name) {
      const tarPath = join(scratch.path, 'empty.tar');
      await run('tar', ['-cf', tarPath, '-T', '/dev/null']);
      await first.parts().driver.importImage(name, tarPath, { env: [], labels: {} });
    },
    async removeImage(name) {
      await new Docker({ socketPath: toolPath('WORKTRAIL_DOCKER_SOCKET') }).getImage(name).remove();
    },
    async close() {
      for (const { stop } of runners) await stop();
      await connection.close();
      await nats.stop();
      await scratch.remove();
    },
  };
}

/** Every container and volume of this runner. */
export async function removeOwned(driver: SandboxDriver): Promise<void> {
  for (const container of await driver.listContainers()) await driver.removeContainer(container.id);
  for (const volume of await driver.listVolumes()) await driver.removeVolume(volume.name);
}

/** Of projects that have none. */
export const noCredentials: RemoteCredentials = { find: async () => undefined, use: (_, work) => work({}) };

/** A repository with a few files, a tag, and a second branch. */
export async function makeRepository(path: string, objectFormat = 'sha1'): Promise<void> {
  await mkdir(join(path, 'src'), { recursive: true });
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: path });
  await git('init', '-q', '-b', 'main', `--object-format=${objectFormat}`);
  await writeFile(join(path, 'README.md'), '# upstream\n');
  await writeFile(join(path, 'src', 'index.js'), 'console.log(1)\n');
  await git('add', '.');
  await git('commit', '-q', '-m', 'first');
  await git('tag', 'v1');
  await git('checkout', '-q', '-b', 'feature/other');
  await writeFile(join(path, 'other.txt'), 'other\n');
  await git('add', '.');
  await git('commit', '-q', '-m', 'other');
  await git('checkout', '-q', 'main');
}

/** Of an operator that has no key. */
export const noModels: ModelAccess = {
  ...{ url: undefined, urlKey: undefined, openaiKey: undefined, openaiUrl: undefined },
  ...{ anthropicKey: undefined, anthropicUrl: undefined, googleKey: undefined, googleUrl: undefined },
};

export const plainEnvironment: Environment = {
  image: null,
  packages: [],
  env: {},
  setup: [],
  persist: [],
  network: { mode: 'none', allow: [] },
  runtime: 'runc',
  runnerLabels: {},
  resources: { cpus: 1, memoryMb: 512, pids: 128, outputBytesMax: 64 * 1024 * 1024 },
};

export function newSession(
  bench: Pick<RunnerBench, 'repositoryPath'>,
  changes: Partial<OpenSandboxInput> = {},
): OpenSandboxInput {
  const sessionId = newId('session');
  return {
    organizationId: newId('organization'),
    projectId: newId('project'),
    sessionId,
    partition: 0,
    generation: 1,
    repository: { url: bench.repositoryPath, defaultBranch: 'main' },
    baseRef: null,
    branch: `worktrail/try-${sessionId.slice(-8)}`,
    environment: plainEnvironment,
    restore: null,
    filesGeneration: 0,
    waitingSince: null,
    onlyHere: false,
    ...changes,
  };
}

export function newCommand(
  session: OpenSandboxInput,
  command: string,
  changes: Partial<CommandSpec> = {},
): RunCommandInput {
  const { organizationId, projectId, sessionId, partition, generation, environment } = session;
  return {
    organizationId,
    projectId,
    sessionId,
    partition,
    generation,
    environment,
    env: {},
    cancelGraceSeconds: 1,
    queuedRecorded: false,
    cancelReason: null,
    command: {
      id: newId('command'),
      command,
      cwd: '',
      env: {},
      timeoutSeconds: null,
      stdin: '',
      background: false,
      origin: 'user',
      actor: { kind: 'user', id: newId('principal') },
      queuedAt: new Date().toISOString(),
      ...changes,
    },
  };
}

/** An activity's attempt that is never canceled, unless by `changes`. */
export function activityRun(changes: Partial<ActivityRun> = {}): ActivityRun {
  const { signal } = new AbortController();
  return { heartbeat: () => undefined, heartbeatEveryMs: 60_000, signal, ...changes };
}

/** A command's output as its events tell it, both streams in order; fails on a hole. */
export function outputOf(events: readonly Event[]): Buffer {
  const chunks: Uint8Array[] = [];
  let position = 0;
  for (const { payload } of events) {
    if (payload.case !== 'commandOutput') continue;
    if (Number(payload.value.position) !== position) throw new Error(`a hole in the output at ${position}`);
    chunks.push(payload.value.bytes);
    position += payload.value.bytes.length;
  }
  return Buffer.concat(chunks);
}
