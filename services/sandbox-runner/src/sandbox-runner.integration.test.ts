import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { RunnerDocument, RunnerOrder } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import {
  type CheckpointInput,
  type CheckpointResult,
  hostTaskQueue,
  type OpenedSandbox,
  type OpenSandboxInput,
  type PlaceInput,
  type Placement,
  placementTaskQueue,
  type SandboxActivities,
} from '@worktrail/contract/sandbox-activities';
import {
  buckets,
  eventStream,
  eventStreamSubjects,
  eventSubject,
  runnerControlSubject,
  sessionKey,
} from '@worktrail/contract/subjects';
import { EventSchema } from '@worktrail/proto/event';
import { ControlReplySchema, ControlRequestSchema } from '@worktrail/proto/runner';
import { openBucket, readDocument } from '@worktrail/runtime/buckets';
import { Client, Connection } from '@temporalio/client';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { askHealth } from '@worktrail/runtime/part-health';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { type SocketProxy, startSocketProxy } from '@worktrail/testing/socket-proxy';
import { startTemporalServer, type TemporalServer } from '@worktrail/testing/temporal-server';
import { toolPath } from '@worktrail/testing/tool-paths';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SandboxRunnerConfig } from './config.ts';
import { createDockerDriver } from './docker/docker-driver.ts';
import {
  log,
  makeRepository,
  newCommand,
  newSession,
  noModels,
  plainEnvironment,
  removeOwned,
} from './runner-bench.ts';
import { type RunningSandboxRunner, startSandboxRunner } from './sandbox-runner.ts';

let scratch: Scratch;
let nats: NatsServer;
let temporal: TemporalServer;
let engine: SocketProxy;
let connection: NatsConnection;
let config: SandboxRunnerConfig;
let lifetime: Lifetime;
let runner: RunningSandboxRunner;
let client: Client;
/** A trace-store that has nothing: to every question it answers an empty message. */
const traceStore = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/proto' }).end();
});
let session: OpenSandboxInput;

beforeAll(async () => {
  scratch = await makeScratch('runner');
  await once(traceStore.listen(0, '127.0.0.1'), 'listening');
  [nats, temporal] = await Promise.all([
    startNatsServer(join(scratch.path, 'nats')),
    startTemporalServer(join(scratch.path, 'temporal')),
  ]);
  engine = await startSocketProxy(join(scratch.path, 'docker.sock'), toolPath('WORKTRAIL_DOCKER_SOCKET'));
  connection = await connect({ servers: nats.url });
  const jsm = await jetstreamManager(connection);
  await jsm.streams.add({ name: eventStream(0), subjects: [eventStreamSubjects(0).stored] });
  const secretsKeyFile = join(scratch.path, 'key');
  await writeFile(secretsKeyFile, '0'.repeat(64));
  config = {
    url: undefined,
    clusterId: `test-${process.pid}-service`,
    host: '127.0.0.1',
    port: 0,
    logLevel: 'silent',
    internalToken: 'internal-token-internal-token-internal',
    nats: { url: nats.url, user: '', password: '' },
    temporal: { address: temporal.address, namespace: 'default' },
    partitions: 1,
    dataDirectory: join(scratch.path, 'data'),
    dockerSocket: engine.path,
    sandboxImage: toolPath('WORKTRAIL_SANDBOX_IMAGE'),
    supervisorPath: toolPath('WORKTRAIL_SUPERVISOR'),
    secretsKey: { file: secretsKeyFile, given: undefined },
    repositoryRoots: [join(scratch.path, 'repositories')],
    sshConfig: undefined,
    stateDirectory: join(scratch.path, 'data'),
    traceStoreUrl: `http://127.0.0.1:${(traceStore.address() as AddressInfo).port}`,
    sessionsMax: 4,
    memoryMbMax: null,
    runningCommands: { perOrganizationMax: null, perProjectMax: null },
    diskReserveBytes: 0,
    contextBytesMax: 1024 ** 3,
    reconcileGraceMs: 900_000,
    artifacts: { replicas: 1, storeBytesMax: null, objectBytesMax: 1024 ** 3 },
    startsAtOnceMax: 4,
    labels: {},
    egress: { privateAllowed: [], named: {}, models: noModels },
    control: 'fifo',
  };
  lifetime = createLifetime(log);
  runner = await startSandboxRunner(config, lifetime, log);
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  const repositoryPath = join(scratch.path, 'repositories', 'upstream');
  await makeRepository(repositoryPath);
  session = newSession({ repositoryPath });
});

afterAll(async () => {
  const { runnerId } = runner;
  const { clusterId, dockerSocket: socketPath, supervisorPath, control, startsAtOnceMax } = config;
  await lifetime.close();
  await removeOwned(createDockerDriver({ clusterId, runnerId, socketPath, supervisorPath, control, startsAtOnceMax }));
  await engine.close();
  await client.connection.close();
  await connection.close();
  await temporal.stop();
  await nats.stop();
  traceStore.close();
  await scratch.remove();
});

const address = (path: string) => `http://127.0.0.1:${runner.port}${path}`;

test('it is ready when everything it needs answers', async () => {
  const response = await fetch(address('/readyz'));
  const report = (await response.json()) as { ready: boolean; parts: object };
  expect(report).toMatchObject({ ready: true });
  expect(Object.keys(report.parts).sort()).toEqual(['docker', 'nats', 'supervisor', 'temporal', 'workers']);
});

test('it announces itself to the cluster', async () => {
  const bucket = await openBucket(connection, buckets.runners, { ttlMs: 30_000 });
  const stored = await readDocument<RunnerDocument>(bucket, runner.runnerId);
  expect(stored?.value).toMatchObject({
    id: runner.runnerId,
    hostQueue: hostTaskQueue(runner.runnerId),
    url: `http://127.0.0.1:${runner.port}`,
    slots: { total: 4, used: 0, memoryMb: { total: null, used: 0 } },
    unavailable: null,
  });
});

test('while its engine is away or hangs it says so and takes no session, and does as soon as the engine is back', async () => {
  const bucket = await openBucket(connection, buckets.runners, { ttlMs: 30_000 });
  const announced = async () => (await readDocument<RunnerDocument>(bucket, runner.runnerId))?.value.unavailable;
  const place = (attempts?: number) => {
    const input: PlaceInput = {
      organizationId: session.organizationId,
      sessionId: newId('session'),
      environment: plainEnvironment,
      waitingSince: null,
    };
    return execute<Placement>('placeSession', placementTaskQueue, input, attempts);
  };
  for (const lose of [engine.refuse, engine.hang]) {
    await lose();
    await expect.poll(announced).toMatchObject({ part: 'docker' });
    const input = newSession({ repositoryPath: session.repository.url });
    const opening = onHost('openSandbox', input, 1);
    opening.catch(() => undefined);
    await expect(askHealth(connection, 'docker', 500)).rejects.toThrow();
    await askHealth(connection, 'sandbox-runner');
    await expect(place(1)).rejects.toMatchObject({ cause: { type: 'no_free_slot' } });
    const waiting = place();
    await engine.pass();
    expect(await waiting).toMatchObject({ runnerId: runner.runnerId });
    expect(await opening).toMatchObject({ from: 'new' });
    await onHost('removeSandbox', input);
    await expect.poll(announced).toBeNull();
    await askHealth(connection, 'docker');
  }
});

test('a second runner on the same data directory is refused', async () => {
  const other = createLifetime(log);
  await expect(startSandboxRunner(config, other, log)).rejects.toThrow(/another sandbox-runner uses/);
  await other.close();
});

test('a control request for a command that does not run is answered with the code for it', async () => {
  const ask = async (bytes: Uint8Array) => {
    const reply = await connection.request(runnerControlSubject(runner.runnerId), bytes, { timeout: 60_000 });
    return fromBinary(ControlReplySchema, reply.data).errorCode;
  };
  const request = create(ControlRequestSchema, {
    organizationId: newId('organization'),
    sessionId: newId('session'),
    commandId: newId('command'),
    operation: { case: 'sendSignal', value: { signal: 'INT' } },
  });
  expect(await ask(toBinary(ControlRequestSchema, request))).toBe('command_not_running');
  expect(await ask(Buffer.from('not a message'))).toBe('malformed_request');
});

test('its figures are there for Prometheus', async () => {
  const text = await (await fetch(address('/metrics'))).text();
  expect(text).toMatch(/worktrail_runner_slots\{service="sandbox-runner"\} 4/);
});

test('stopping the cluster takes the internal token', async () => {
  expect((await stopCluster('wrong')).status).toBe(401);
});

test('through Temporal a session is placed, opened, and runs commands; a stop of the cluster keeps its files', async () => {
  const placement = await execute<Placement>('placeSession', placementTaskQueue, session);
  expect(placement).toEqual({ runnerId: runner.runnerId, hostQueue: hostTaskQueue(runner.runnerId) });
  expect(await onHost('openSandbox', session)).toMatchObject({ from: 'new' });
  expect(await onHost('runCommand', newCommand(session, 'echo kept > kept.txt'))).toMatchObject({ exitCode: 0 });

  const command = newCommand(session, 'echo running; trap "" TERM; sleep 60');
  const running = onHost('runCommand', command);
  const live = connection.subscribe(eventSubject(session, command.command.id), { max: 3 });
  for await (const message of live) if (fromBinary(EventSchema, message.data).payload.case === 'commandOutput') break;
  const quick = onHost('runCommand', newCommand(session, 'echo running > quick; sleep 60'));
  expect(await onHost('runCommand', newCommand(session, 'until [ -e quick ]; do sleep 0.05; done'))).toBeDefined();
  const stopped = stopCluster(config.internalToken);
  const canceled = { outcome: 'canceled', reason: 'cluster_stopped' };
  expect(await quick).toMatchObject(canceled);
  // What waited for it is asked for at once, while the other one still has its grace.
  const queued = expect(onHost('runCommand', newCommand(session, 'touch started'))).rejects.toMatchObject({
    cause: { type: 'sandbox_gone' },
  });
  expect(await (await stopped).json()).toEqual({ sandboxes: 1, stopped: 1, commandsCanceled: 2 });
  expect(await running).toMatchObject(canceled);

  await restart();
  await queued;
  const next = { ...session, generation: 2, filesGeneration: 1 };
  expect(await onHost('openSandbox', next)).toMatchObject({ from: 'volume' });
  expect(await onHost('runCommand', newCommand(next, 'grep -q kept kept.txt && [ ! -e started ]'))).toMatchObject({
    exitCode: 0,
  });
  await expect(onHost('openSandbox', session)).rejects.toMatchObject({
    cause: { type: 'stale_generation' },
  });
  await onHost('removeSandbox', next);
});

test('a stop of the cluster leaves no container, also of a sandbox that died before', async () => {
  const own = { ...session, sessionId: newId('session') };
  await onHost('openSandbox', own);
  const { clusterId, dockerSocket: socketPath, supervisorPath, control, startsAtOnceMax } = config;
  const { runnerId } = runner;
  const driver = createDockerDriver({ clusterId, runnerId, socketPath, supervisorPath, control, startsAtOnceMax });
  const [container] = await driver.listContainers(own.sessionId);
  const docker = new Docker({ socketPath });
  await docker.getContainer(container!.id).kill();
  await docker.getContainer(container!.id).wait();
  expect(await (await stopCluster(config.internalToken)).json()).toMatchObject({ stopped: 1 });
  expect(await driver.listContainers(own.sessionId)).toEqual([]);
  await restart();
  const next = { ...own, generation: 2, filesGeneration: 1 };
  expect(await onHost('openSandbox', next)).toMatchObject({ from: 'volume' });
  await onHost('removeSandbox', next);
});

test('through Temporal a sandbox is checkpointed, hibernated and opened again; once its session is archived elsewhere nothing is left', async () => {
  const own = newSession({ repositoryPath: session.repository.url });
  const { baseCommit } = (await onHost('openSandbox', own)) as OpenedSandbox;
  await onHost('runCommand', newCommand(own, 'echo kept > kept.txt'));
  const checkpoint: CheckpointInput = {
    ...own,
    ...{ checkpointId: newId('checkpoint'), number: 1, label: '', commandId: '', previous: null },
    ...{ baseCommit, bundles: [], compact: false, evenIfUnchanged: false },
  };
  const taken = (await onHost('checkpointSandbox', checkpoint)) as CheckpointResult;
  expect(taken).toMatchObject({ changed: true, checkpoint: { id: checkpoint.checkpointId, filesChanged: 1 } });
  expect(await onHost('checkpointSandbox', checkpoint)).toMatchObject(taken);
  const hibernating = { ...own, persist: [], archiveBytesMax: 10_000_000 };
  expect(await onHost('hibernateSandbox', hibernating)).toMatchObject({ archive: { kind: 'whole', notKept: [] } });
  await expect(onHost('checkpointSandbox', checkpoint)).rejects.toMatchObject({ cause: { type: 'sandbox_gone' } });
  const next = { ...own, generation: 2, filesGeneration: 1 };
  expect(await onHost('openSandbox', next)).toMatchObject({ from: 'volume', notKept: [] });
  await expect(onHost('hibernateSandbox', hibernating)).rejects.toMatchObject({ cause: { type: 'stale_generation' } });

  const { clusterId, dockerSocket: socketPath, supervisorPath, control, startsAtOnceMax } = config;
  const owner = { clusterId, runnerId: runner.runnerId };
  const driver = createDockerDriver({ ...owner, socketPath, supervisorPath, control, startsAtOnceMax });
  const sessions = await openBucket(connection, buckets.sessions);
  const document = { generation: 2, filesGeneration: 2, state: 'archived' };
  await sessions.put(sessionKey(own.organizationId, own.sessionId), JSON.stringify(document));
  expect(await driver.listVolumes(own.sessionId)).toHaveLength(2);
  await restart();
  await expect.poll(() => driver.listVolumes(own.sessionId)).toEqual([]);
  expect(await driver.listContainers(own.sessionId)).toEqual([]);
});

test('a cancel of its workflow ends a command with the reason that the workflow gives when it asks again', async () => {
  const own = newSession({ repositoryPath: session.repository.url });
  await onHost('openSandbox', own);
  const command = newCommand(own, 'echo running; sleep 60');
  const first = await client.activity.start('runCommand', {
    id: newId('event'),
    taskQueue: hostTaskQueue(runner.runnerId),
    args: [command],
    startToCloseTimeout: '1 minute',
    heartbeatTimeout: '1 second',
  });
  const live = connection.subscribe(eventSubject(own, command.command.id), { max: 3 });
  for await (const message of live) if (fromBinary(EventSchema, message.data).payload.case === 'commandOutput') break;
  await first.cancel('canceled');
  await expect(first.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
  const again = await onHost('runCommand', { ...command, cancelReason: 'trial_canceled' });
  expect(again).toMatchObject({ outcome: 'canceled', reason: 'trial_canceled' });
  await onHost('removeSandbox', own);
});

test('an opening that cannot succeed fails with the code for it', async () => {
  await expect(onHost('openSandbox', newSession({ repositoryPath: '/etc' }))).rejects.toMatchObject({
    cause: { type: 'repository_not_allowed' },
  });
});

test('a sandbox is opened only where there is a free slot, also for a session that was placed here before', async () => {
  const slots = config.sessionsMax;
  config.sessionsMax = 1;
  await restart();
  const [first, second] = [session, session].map(({ repository }) => newSession({ repositoryPath: repository.url }));
  await onHost('openSandbox', first!);
  expect(await onHost('openSandbox', first!)).toMatchObject({ from: 'new' });
  await expect(onHost('openSandbox', second!, 1)).rejects.toMatchObject({ cause: { type: 'no_free_slot' } });
  const opening = onHost('openSandbox', second!);
  await onHost('removeSandbox', first!);
  expect(await opening).toMatchObject({ from: 'new' });
  await onHost('removeSandbox', second!);
  config.sessionsMax = slots;
});

test('told to drain it announces it and takes no session until that is taken back, also over a restart', async () => {
  await restart();
  const [orders, announcements] = await Promise.all([
    openBucket(connection, buckets.runnerOrders),
    openBucket(connection, buckets.runners, { ttlMs: 30_000 }),
  ]);
  const order = (draining: boolean) => {
    const document: RunnerOrder = {
      runnerId: runner.runnerId,
      draining,
      by: 'prn_admin',
      at: new Date().toISOString(),
    };
    return orders.put(runner.runnerId, JSON.stringify(document));
  };
  const announced = async () => (await readDocument<RunnerDocument>(announcements, runner.runnerId))?.value.draining;
  const [here, other, bound] = Array.from({ length: 3 }, () => newSession({ repositoryPath: session.repository.url }));
  await onHost('openSandbox', here!);
  await order(true);
  await expect.poll(announced).toBe(true);
  const place = () => execute('placeSession', placementTaskQueue, other!, 1);
  await expect(place()).rejects.toMatchObject({ cause: { type: 'no_free_slot' } });
  const draining = { cause: { type: 'runner_draining' } };
  await expect(onHost('openSandbox', other!, 1)).rejects.toMatchObject(draining);
  expect(await onHost('openSandbox', here!, 1)).toMatchObject({ from: 'new' });
  expect(await onHost('openSandbox', { ...bound!, onlyHere: true }, 1)).toMatchObject({ from: 'new' });
  expect(await onHost('runCommand', newCommand(here!, 'true'))).toMatchObject({ exitCode: 0 });
  await restart();
  await expect(onHost('openSandbox', other!, 1)).rejects.toMatchObject(draining);
  expect(await announced()).toBe(true);
  await order(false);
  await expect.poll(announced).toBe(false);
  expect(await place()).toMatchObject({ runnerId: runner.runnerId });
  for (const one of [here!, bound!]) await onHost('removeSandbox', one);
});

test('below the reserve of its disk it says so, and opens and starts nothing until there is room', async () => {
  const sandbox = newSession({ repositoryPath: session.repository.url });
  await onHost('openSandbox', sandbox);
  const [before, after] = [newCommand(sandbox, 'true'), newCommand(sandbox, 'true')];
  await onHost('runCommand', before);
  config.diskReserveBytes = 2 ** 52;
  await restart();
  const bucket = await openBucket(connection, buckets.runners, { ttlMs: 30_000 });
  const announced = await readDocument<RunnerDocument>(bucket, runner.runnerId);
  expect(announced?.value.unavailable).toMatchObject({ part: 'disk', detail: expect.stringContaining('reserve') });
  const other = newSession({ repositoryPath: session.repository.url });
  const noSpace = { cause: { type: 'no_disk_space' } };
  await expect(onHost('openSandbox', other, 1)).rejects.toMatchObject(noSpace);
  await expect(onHost('runCommand', after, 1)).rejects.toMatchObject(noSpace);
  expect(await onHost('runCommand', before, 1)).toMatchObject({ exitCode: 0 });
  const waiting = onHost('runCommand', after);
  config.diskReserveBytes = 0;
  await restart();
  expect(await waiting).toMatchObject({ outcome: 'exited', exitCode: 0 });
  await onHost('removeSandbox', sandbox);
});

test('it keeps its identity over a restart', async () => {
  const before = runner.runnerId;
  await restart();
  expect(runner.runnerId).toBe(before);
});

async function restart(): Promise<void> {
  await lifetime.close();
  lifetime = createLifetime(log);
  runner = await startSandboxRunner(config, lifetime, log);
}

function stopCluster(token: string): Promise<Response> {
  return fetch(address('/stop-cluster'), { method: 'POST', headers: { authorization: `Bearer ${token}` } });
}

function onHost(activity: keyof SandboxActivities, input: object, attempts?: number): Promise<unknown> {
  return execute(activity, hostTaskQueue(runner.runnerId), input, attempts);
}

function execute<T>(activity: string, taskQueue: string, input: object, attempts?: number): Promise<T> {
  const timeouts = { startToCloseTimeout: '1 minute', heartbeatTimeout: '10 seconds' } as const;
  const retry = {
    initialInterval: 200,
    backoffCoefficient: 1,
    ...(attempts !== undefined && { maximumAttempts: attempts }),
  };
  return client.activity.execute<T>(activity, { id: newId('event'), taskQueue, args: [input], retry, ...timeouts });
}
