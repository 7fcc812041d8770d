// The sandboxes of this runner: made, reopened, attached to after a restart, stopped and removed.
//
// 1. Opening and removing are idempotent, one at a time per session. A failure midway leaves no container, volume or directory that
//    was not there before.
// 2. A generation older than the newest seen here is refused.
// 3. `attach` asks the engine only the first time: afterwards the exits it reports keep the record of open sandboxes true.
// 4. `lost` of a sandbox aborts once its container is gone, by whatever cause.

import { access, chown } from 'node:fs/promises';
import type { Environment } from '@worktrail/contract/environment';
import type { OpenedSandbox, OpenSandboxInput, SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { Logger } from '@worktrail/runtime/log';
import { stopGraceMs, volumeNames } from './docker-container-spec.ts';
import { createKeyedLock } from './keyed-lock.ts';
import type { RepositoryMirrors, Upstream } from './repository-mirror.ts';
import type { SandboxDriver, SandboxImage } from './sandbox-driver.ts';
import type { SandboxImages } from './sandbox-images.ts';
import type { SandboxRecord, SessionDirectories, SessionDirectory } from './session-directory.ts';
import { SessionFailure, StaleGeneration } from './session-failure.ts';
import { type SendControlLine } from './supervisor-control.ts';
import { createRunDirectory, openSupervisorLink, type SupervisorLink } from './supervisor-link.ts';
import { readHeadCommit, setUpWorkspace } from './workspace-setup.ts';

export interface OpenSandbox {
  readonly record: SandboxRecord;
  readonly directory: SessionDirectory;
  readonly containerId: string;
  readonly link: SupervisorLink;
  readonly bootId: string;
  /** Aborted once the container is gone. */
  readonly lost: AbortSignal;
}

export interface Sandboxes {
  /** @throws SessionFailure, StaleGeneration; anything else may be tried again. */
  open(input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
  /** The open sandbox of this very generation, if there is one. */
  attach(ref: SandboxRef): Promise<OpenSandbox | undefined>;
  /** The open sandbox of a session, of whatever generation, as far as this process has attached to it. */
  find(sessionId: string): OpenSandbox | undefined;
  /** Stops the container and keeps the volumes. */
  stop(sessionId: string): Promise<void>;
  remove(ref: SandboxRef): Promise<void>;
  /** Asks the engine whether the container is really there, where its supervisor does not answer. */
  verify(sandbox: OpenSandbox): Promise<boolean>;
  /** Sessions that hold a container here. */
  occupied(): ReadonlySet<string>;
  attached(): OpenSandbox[];
  /** Attaches to every sandbox that is open here, also to those that nobody asked for since the process started. */
  attachAll(signal: AbortSignal): Promise<void>;
  /** Keeps the record of open sandboxes true by what the engine reports. */
  watch(signal: AbortSignal): void;
  /** From now on nothing is opened and nothing new is attached to. */
  drain(): void;
  /** Removes containers and volumes of this runner whose session has no directory here. */
  removeOrphans(): Promise<void>;
  close(): void;
}

export interface SandboxesDeps {
  driver: SandboxDriver;
  images: SandboxImages;
  mirrors: RepositoryMirrors;
  directories: SessionDirectories;
  clusterId: string;
  control: 'fifo' | 'exec';
  log: Logger;
}

/** Opening while the runner goes down; another try finds it back, or another runner. */
export class RunnerDraining extends Error {
  override readonly name = 'RunnerDraining';
}

type Attached = OpenSandbox & { lose(): void };

export function createSandboxes(deps: SandboxesDeps): Sandboxes {
  const { driver, directories, log } = deps;
  const lock = createKeyedLock();
  const attached = new Map<string, Attached>();
  const occupied = new Set<string>();
  let draining = false;

  const volumesOf = (sessionId: string) => volumeNames(deps.clusterId, sessionId);

  function forget(sandbox: Attached): void {
    if (attached.get(sandbox.record.sessionId) === sandbox) {
      attached.delete(sandbox.record.sessionId);
      occupied.delete(sandbox.record.sessionId);
    }
    sandbox.lose();
    sandbox.link.close();
  }

  function remember(
    record: SandboxRecord,
    directory: SessionDirectory,
    bootId: string,
    link: SupervisorLink,
  ): Attached {
    const before = attached.get(record.sessionId);
    if (before) forget(before);
    const controller = new AbortController();
    const containerId = record.containerId ?? '';
    const sandbox = {
      record,
      directory,
      containerId,
      link,
      bootId,
      lost: controller.signal,
      lose: () => controller.abort(),
    };
    attached.set(record.sessionId, sandbox);
    occupied.add(record.sessionId);
    return sandbox;
  }

  function linkTo(directory: SessionDirectory, containerId: string): SupervisorLink {
    const send: SendControlLine = (line) => driver.sendControlLine(containerId, line);
    return openSupervisorLink({ runDirectory: directory.runPath, ...(deps.control === 'exec' && { send }) });
  }

  async function attachRecorded(record: SandboxRecord, directory: SessionDirectory): Promise<Attached | undefined> {
    if (record.state !== 'open' || record.containerId === null) return undefined;
    if (!(await driver.isRunning(record.containerId))) {
      occupied.delete(record.sessionId);
      return undefined;
    }
    const link = linkTo(directory, record.containerId);
    const bootId = await link.bootId();
    if (bootId !== null) return remember(record, directory, bootId, link);
    link.close();
    return undefined;
  }

  async function attach(ref: SandboxRef): Promise<Attached | undefined> {
    const known = attached.get(ref.sessionId);
    if (known?.record.generation === ref.generation) return known;
    return lock.run(ref.sessionId, async () => {
      const again = attached.get(ref.sessionId);
      if (again?.record.generation === ref.generation) return again;
      if (draining) return undefined;
      const directory = directories.at(ref.sessionId);
      const record = await directory.readRecord();
      if (record && record.generation > ref.generation) throw stale(ref, record);
      return record?.generation === ref.generation ? attachRecorded(record, directory) : undefined;
    });
  }

  /** Boots a container on the session's volumes and answers it attached. */
  async function boot(
    record: SandboxRecord,
    directory: SessionDirectory,
    environment: Environment,
    image: SandboxImage,
    upstreamObjects: string,
    signal: AbortSignal,
  ): Promise<Attached> {
    const volumes = volumesOf(record.sessionId);
    const ready = async (name: string) => chown(await driver.createVolume(name, record), 1000, 1000);
    await Promise.all(Object.values(volumes).map(ready));
    await createRunDirectory(directory.runPath);
    const containerId = await driver.createContainer({
      ref: record,
      image,
      resources: environment.resources,
      runtime: environment.runtime,
      volumes,
      runDirectory: directory.runPath,
      upstreamObjects,
    });
    record.containerId = containerId;
    record.imageEnv = image.env;
    await directory.writeRecord(record);
    const link = linkTo(directory, containerId);
    try {
      await link.clearBoot();
      await driver.startContainer(containerId);
      return remember(record, directory, await waitForBoot(link, driver, containerId, signal), link);
    } catch (error) {
      link.close();
      throw error;
    }
  }

  async function openNew(
    input: OpenSandboxInput,
    directory: SessionDirectory,
    signal: AbortSignal,
  ): Promise<OpenedSandbox> {
    // What an attempt that was killed left half made. Without a record nothing was made.
    if (await directory.readRecord()) await removeEverything(input.sessionId);
    const [image, upstream] = await Promise.all([deps.images.ensure(input.environment), deps.mirrors.sync(input)]);
    signal.throwIfAborted();
    await directory.prepare();
    const record = newRecord(input, upstream);
    await directory.writeRecord(record);
    const sandbox = await boot(record, directory, input.environment, image, upstream.objectsPath, signal);
    const { branch } = input;
    record.shell = await setUpWorkspace(sandbox.link, {
      upstream,
      branch,
      imageEnv: image.env,
      signal: either(signal, sandbox),
    });
    record.opened = { from: 'new', baseCommit: upstream.baseCommit, headCommit: upstream.baseCommit };
    record.workspaceReady = true;
    record.state = 'open';
    await directory.writeRecord(record);
    return record.opened;
  }

  async function reopen(
    before: SandboxRecord,
    input: OpenSandboxInput,
    directory: SessionDirectory,
    signal: AbortSignal,
  ): Promise<OpenedSandbox> {
    await removeContainerOf(before);
    await requireVolumes(input.sessionId, before);
    const image = await deps.images.ensure(input.environment);
    const record: SandboxRecord = { ...before, ...refOf(input), state: 'creating', containerId: null };
    await directory.writeRecord(record);
    try {
      const sandbox = await boot(record, directory, input.environment, image, before.upstreamObjects, signal);
      const baseCommit = before.opened?.baseCommit ?? '';
      const head = await readHeadCommit(sandbox.link, { imageEnv: image.env, signal: either(signal, sandbox) });
      record.opened = { from: 'volume', baseCommit, headCommit: head ?? baseCommit };
      record.state = 'open';
      await directory.writeRecord(record);
      return record.opened;
    } catch (error) {
      await removeContainerOf(record);
      throw error;
    }
  }

  async function verifyAll(): Promise<void> {
    const before = [...attached.values()];
    if (before.length === 0) return;
    const running = new Set((await driver.listContainers()).filter((one) => one.running).map((one) => one.id));
    for (const sandbox of before) if (!running.has(sandbox.containerId)) forget(sandbox);
  }

  async function requireVolumes(sessionId: string, record: SandboxRecord): Promise<void> {
    for (const name of Object.values(volumesOf(sessionId))) {
      if (await driver.hasVolume(name)) continue;
      throw new SessionFailure('workspace_lost', `the volume ${name} of generation ${record.generation} is gone`);
    }
    await access(record.upstreamObjects).catch(() => {
      throw new SessionFailure('workspace_lost', 'the upstream objects that the work tree borrows from are gone');
    });
  }

  async function removeContainerOf(record: SandboxRecord, graceMs = 0): Promise<void> {
    if (record.containerId !== null) await driver.removeContainer(record.containerId, { graceMs });
    const sandbox = attached.get(record.sessionId);
    if (sandbox) forget(sandbox);
    occupied.delete(record.sessionId);
  }

  async function removeEverything(sessionId: string): Promise<void> {
    const directory = directories.at(sessionId);
    const record = await directory.readRecord();
    if (record) await removeContainerOf(record);
    await Promise.all(Object.values(volumesOf(sessionId)).map((name) => driver.removeVolume(name)));
    await directory.remove();
    occupied.delete(sessionId);
  }

  async function openLocked(input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox> {
    signal.throwIfAborted();
    if (draining) throw new RunnerDraining('the runner is stopping');
    refuseNetwork(input.environment);
    const directory = directories.at(input.sessionId);
    const record = await directory.readRecord();
    if (record && record.generation > input.generation) throw stale(input, record);
    if (record?.generation === input.generation && record.opened && record.state === 'open') {
      if (attached.has(input.sessionId) || (await attachRecorded(record, directory))) return record.opened;
    }
    if (record?.workspaceReady) return reopen(record, input, directory, signal);
    try {
      return await openNew(input, directory, signal);
    } catch (error) {
      await removeEverything(input.sessionId).catch((err: unknown) => {
        log.error(
          { err, sessionId: input.sessionId },
          'what a failed opening left could not be removed; it will be tried again',
        );
      });
      throw error;
    }
  }

  return {
    open: (input, signal) => lock.run(input.sessionId, () => openLocked(input, signal)),
    attach,
    find: (sessionId) => attached.get(sessionId),
    stop: (sessionId) =>
      lock.run(sessionId, async () => {
        const directory = directories.at(sessionId);
        const record = await directory.readRecord();
        if (record?.state !== 'open') return;
        await removeContainerOf(record, stopGraceMs);
        await directory.writeRecord({ ...record, state: 'stopped', containerId: null });
      }),
    remove: (ref) =>
      lock.run(ref.sessionId, async () => {
        const record = await directories.at(ref.sessionId).readRecord();
        if (record && record.generation > ref.generation) return;
        await removeEverything(ref.sessionId);
      }),
    async verify(sandbox) {
      if (await driver.isRunning(sandbox.containerId)) return true;
      const known = attached.get(sandbox.record.sessionId);
      if (known?.containerId === sandbox.containerId) forget(known);
      return false;
    },
    occupied: () => occupied,
    attached: () => [...attached.values()],
    async attachAll(signal) {
      for (const sessionId of await directories.list()) {
        signal.throwIfAborted();
        const record = attached.has(sessionId) ? undefined : await directories.at(sessionId).readRecord();
        if (record?.state === 'open') await attach(record);
      }
    },
    watch(signal) {
      const onExit = (containerId: string) => {
        for (const sandbox of attached.values()) if (sandbox.containerId === containerId) forget(sandbox);
      };
      const onResync = () =>
        void verifyAll().catch((err: unknown) => log.warn({ err }, 'sandboxes could not be verified'));
      driver.watchExits({ onExit, onResync }, signal);
    },
    drain() {
      draining = true;
    },
    async removeOrphans() {
      const known = new Set(await directories.list());
      for (const container of await driver.listContainers()) {
        if (known.has(container.sessionId)) {
          if (container.running) occupied.add(container.sessionId);
        } else {
          log.warn({ sessionId: container.sessionId }, 'removing a container whose session is not here any more');
          await driver.removeContainer(container.id);
        }
      }
      for (const volume of await driver.listVolumes()) {
        if (!known.has(volume.sessionId)) await driver.removeVolume(volume.name);
      }
    },
    close() {
      for (const sandbox of attached.values()) sandbox.link.close();
      attached.clear();
    },
  };
}

function refuseNetwork({ network }: Environment): void {
  if (network.mode === 'none') return;
  throw new SessionFailure(
    'network_mode_unsupported',
    `network mode "${network.mode}" is not supported by this runner`,
  );
}

function refOf({ organizationId, projectId, sessionId, partition, generation }: SandboxRef): SandboxRef {
  return { organizationId, projectId, sessionId, partition, generation };
}

function newRecord(input: OpenSandboxInput, upstream: Upstream): SandboxRecord {
  return {
    ...refOf(input),
    state: 'creating',
    workspaceReady: false,
    containerId: null,
    imageEnv: [],
    shell: '/bin/sh',
    upstreamObjects: upstream.objectsPath,
    opened: null,
  };
}

function stale(ref: SandboxRef, record: SandboxRecord): StaleGeneration {
  return new StaleGeneration(
    `generation ${ref.generation} of ${ref.sessionId} is over: generation ${record.generation} was opened here`,
  );
}

function either(signal: AbortSignal, sandbox: OpenSandbox): AbortSignal {
  return AbortSignal.any([signal, sandbox.lost]);
}

/** Ends at once, with the reason, when the container stops instead of coming up. */
async function waitForBoot(
  link: SupervisorLink,
  driver: SandboxDriver,
  containerId: string,
  signal: AbortSignal,
): Promise<string> {
  const controller = new AbortController();
  const until = AbortSignal.any([signal, controller.signal]);
  const exited = driver.waitForExit(containerId, until).then((how) => {
    throw new SessionFailure('image_unsuitable', `the sandbox did not come up: ${how}`);
  });
  try {
    return await Promise.race([link.waitForBoot({ signal: until }), exited]);
  } finally {
    controller.abort();
    exited.catch(() => undefined);
  }
}
