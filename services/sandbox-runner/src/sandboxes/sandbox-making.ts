// How a sandbox is made, made again, attached to, and taken away: the steps, without their order between callers.
//
// The record is written before anything is made: without one there is nothing to remove. Which containers and volumes a session has is
// asked of the engine, by their owner: a process that dies while one is made never learns its id.

import { access, chown } from 'node:fs/promises';
import type { SessionArchive } from '@worktrail/contract/checkpoints';
import type { Environment } from '@worktrail/contract/environment';
import type { OpenedSandbox, OpenSandboxInput, SandboxRef } from '@worktrail/contract/sandbox-activities';
import { createCheckpointDirectory } from '../checkpoints/checkpoint-directory.ts';
import type { CheckpointEngine } from '../checkpoints/checkpoint-engine.ts';
import { sandboxUser, volumeNames } from '../docker/docker-container-spec.ts';
import type { OpenSandbox, OpenSandboxes } from '../sessions/open-sandboxes.ts';
import type { RepositoryMirrors, Upstream } from '../repositories/repository-mirror.ts';
import type { SandboxArchiving } from './sandbox-archiving.ts';
import type { SandboxDriver, SandboxImage } from '../docker/sandbox-driver.ts';
import type { SandboxImages } from '../docker/sandbox-images.ts';
import type { SandboxRecord, SessionDirectories, SessionDirectory } from '../sessions/session-directory.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import type { SendControlLine } from '../supervision/supervisor-control.ts';
import { createRunDirectory, openSupervisorLink, type SupervisorLink } from '../supervision/supervisor-link.ts';
import type { VolumeDirectories } from './volume-archive.ts';
import { findShell, readHeadCommit, setUpWorkspace } from './workspace-setup.ts';

export interface SandboxMakingDeps {
  driver: SandboxDriver;
  images: SandboxImages;
  mirrors: RepositoryMirrors;
  directories: SessionDirectories;
  archiving: SandboxArchiving;
  checkpoints: CheckpointEngine;
  open: OpenSandboxes;
  clusterId: string;
  control: 'fifo' | 'exec';
  clock: () => number;
}

export interface SandboxMaking {
  /** @throws SessionFailure; what these made until then is left for `removeEverything`. */
  makeNew(input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
  /** @throws ArtifactMissing, ArtifactCorrupt */
  makeFromArchive(input: OpenSandboxInput, archive: SessionArchive, signal: AbortSignal): Promise<OpenedSandbox>;
  /** `persisted` is laid over what the checkpoint holds. @throws ArtifactMissing, ArtifactCorrupt */
  makeFromCheckpoint(
    input: OpenSandboxInput,
    persisted: SessionArchive | null,
    signal: AbortSignal,
  ): Promise<OpenedSandbox>;
  /** From the volumes that an earlier generation left here. A failure leaves them as they were. */
  makeAgain(before: SandboxRecord, input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
  /** The engine has the volumes of this record. */
  hasVolumes(record: SandboxRecord): Promise<boolean>;
  /** Undefined where the recorded container does not run. */
  attach(record: SandboxRecord): Promise<OpenSandbox | undefined>;
  removeContainers(sessionId: string, graceMs?: number): Promise<void>;
  removeEverything(sessionId: string): Promise<void>;
}

export function createSandboxMaking(deps: SandboxMakingDeps): SandboxMaking {
  const { driver, directories, open } = deps;

  function linkTo(directory: SessionDirectory, containerId: string): SupervisorLink {
    const send: SendControlLine = (line) => driver.sendControlLine(containerId, line);
    return openSupervisorLink({ runDirectory: directory.runPath, ...(deps.control === 'exec' && { send }) });
  }

  /** Makes what is missing of them. */
  async function makeVolumes(record: SandboxRecord): Promise<VolumeDirectories> {
    const make = async (name: string) => {
      const path = await driver.createVolume(name, record);
      await chown(path, sandboxUser, sandboxUser);
      return path;
    };
    const [workspace, home] = await Promise.all([make(record.volumes.workspace), make(record.volumes.home)]);
    return { workspace, home };
  }

  /** Boots a container on the session's volumes, and attaches to it. */
  async function boot(
    record: SandboxRecord,
    environment: Environment,
    image: SandboxImage,
    signal: AbortSignal,
  ): Promise<OpenSandbox> {
    const directory = directories.at(record.sessionId);
    await createRunDirectory(directory.runPath);
    const { resources, runtime } = environment;
    const { upstreamObjects, volumes } = record;
    const runDirectory = directory.runPath;
    const checkpointDirectory = await createCheckpointDirectory(directory.path, sandboxUser);
    const shared = { runDirectory, upstreamObjects, checkpointDirectory };
    const spec = { ref: record, image, resources, runtime, volumes, ...shared };
    record.containerId = await driver.createContainer(spec);
    record.imageEnv = image.env;
    await directory.writeRecord(record);
    const link = linkTo(directory, record.containerId);
    try {
      await link.clearBoot();
      await driver.startContainer(record.containerId);
      const bootId = await waitForBoot(link, driver, record.containerId, signal);
      return open.remember(record, directory, bootId, link);
    } catch (error) {
      link.close();
      throw error;
    }
  }

  async function removeContainers(sessionId: string, graceMs = 0): Promise<void> {
    for (const { id } of await driver.listContainers(sessionId)) await driver.removeContainer(id, { graceMs });
    open.forget(sessionId);
  }

  /** In volumes of their own, which hold nothing yet. */
  async function begin(input: OpenSandboxInput, upstream: Upstream): Promise<SandboxRecord> {
    const directory = directories.at(input.sessionId);
    await directory.prepare();
    const record = newRecord(input, upstream, volumeNames(deps.clusterId, input));
    await directory.writeRecord(record);
    return record;
  }

  async function finish(record: SandboxRecord, opened: OpenedSandbox, before: number): Promise<OpenedSandbox> {
    record.opened = opened;
    record.workspaceReady = true;
    record.filesGeneration = record.generation;
    record.filesGenerationBefore = before;
    record.hibernated = null;
    record.state = 'open';
    record.openedMs = deps.clock();
    await directories.at(record.sessionId).writeRecord(record);
    return opened;
  }

  /** What every restored sandbox needs beside its files. */
  async function prepare(input: OpenSandboxInput) {
    const commit = input.restore?.baseCommit ?? '';
    const [image, upstream] = await Promise.all([
      deps.images.ensure(input.environment),
      deps.mirrors.provide(input, commit),
    ]);
    return { image, upstream };
  }

  return {
    async makeNew(input, signal) {
      const { restore } = input;
      const syncing = restore ? deps.mirrors.provide(input, restore.baseCommit) : deps.mirrors.sync(input);
      const [image, upstream] = await Promise.all([deps.images.ensure(input.environment), syncing]);
      signal.throwIfAborted();
      const record = await begin(input, upstream);
      await makeVolumes(record);
      const { link, lost } = await boot(record, input.environment, image, signal);
      const setup = { upstream, branch: input.branch, imageEnv: image.env, signal: AbortSignal.any([signal, lost]) };
      record.shell = await setUpWorkspace(link, setup);
      const { baseCommit } = upstream;
      return finish(record, { from: 'new', baseCommit, headCommit: baseCommit, notKept: [] }, 0);
    },

    async makeFromArchive(input, archive, signal) {
      const { image, upstream } = await prepare(input);
      signal.throwIfAborted();
      const record = await begin(input, upstream);
      const volumes = await makeVolumes(record);
      await deps.archiving.restore(archive, volumes, directories.at(input.sessionId).path, signal);
      const { link, lost } = await boot(record, input.environment, image, signal);
      const running = { imageEnv: image.env, signal: AbortSignal.any([signal, lost]) };
      record.shell = await findShell(link, running);
      const { baseCommit } = upstream;
      const headCommit = await readHeadCommit(link, running);
      return finish(record, { from: 'archive', baseCommit, headCommit, notKept: archive.notKept }, 0);
    },

    async makeFromCheckpoint(input, persisted, signal) {
      if (!input.restore?.checkpoint) throw new Error('there is no checkpoint to open from');
      const { image, upstream } = await prepare(input);
      signal.throwIfAborted();
      const record = await begin(input, upstream);
      await deps.checkpoints.fetch(input, input.restore, upstream.objectsPath, signal);
      const volumes = await makeVolumes(record);
      const sandbox = await boot(record, input.environment, image, signal);
      const running = { imageEnv: image.env, signal: AbortSignal.any([signal, sandbox.lost]) };
      record.shell = await findShell(sandbox.link, running);
      const files = await deps.checkpoints.restoreInto(sandbox, input, upstream, running.signal);
      if (persisted) await deps.archiving.restore(persisted, volumes, directories.at(input.sessionId).path, signal);
      const { baseCommit } = upstream;
      const notKept = [...new Set([...files.notKept, ...(persisted?.notKept ?? [])])];
      return finish(record, { from: 'checkpoint', baseCommit, headCommit: files.headCommit, notKept }, 0);
    },

    async makeAgain(before, input, signal) {
      const directory = directories.at(input.sessionId);
      await removeContainers(input.sessionId);
      const baseCommit = before.opened?.baseCommit ?? input.restore?.baseCommit ?? '';
      const here = await access(before.upstreamObjects).then(
        () => true,
        () => false,
      );
      if (!here) await deps.mirrors.provide(input, baseCommit);
      const image = await deps.images.ensure(input.environment);
      const { memoryMb } = input.environment.resources;
      const record: SandboxRecord = { ...before, ...refOf(input), memoryMb, state: 'creating', containerId: null };
      await directory.writeRecord(record);
      try {
        const { link, lost } = await boot(record, input.environment, image, signal);
        const headCommit = await readHeadCommit(link, { imageEnv: image.env, signal: AbortSignal.any([signal, lost]) });
        const opened: OpenedSandbox = { from: 'volume', baseCommit, headCommit, notKept: [] };
        return await finish(record, opened, input.filesGeneration);
      } catch (error) {
        await removeContainers(input.sessionId);
        throw error;
      }
    },

    async hasVolumes({ volumes }) {
      for (const name of Object.values(volumes)) if ((await driver.findVolume(name)) === undefined) return false;
      return true;
    },

    async attach(record) {
      if (record.state !== 'open' || record.containerId === null) return undefined;
      if (!(await driver.isRunning(record.containerId))) {
        open.forget(record.sessionId);
        return undefined;
      }
      const directory = directories.at(record.sessionId);
      const link = linkTo(directory, record.containerId);
      const bootId = await link.bootId();
      if (bootId !== null) return open.remember(record, directory, bootId, link);
      link.close();
      return undefined;
    },

    removeContainers,

    async removeEverything(sessionId) {
      const directory = directories.at(sessionId);
      await removeContainers(sessionId);
      for (const { name } of await driver.listVolumes(sessionId)) await driver.removeVolume(name);
      await directory.remove();
    },
  };
}

function refOf({ organizationId, projectId, sessionId, partition, generation }: SandboxRef): SandboxRef {
  return { organizationId, projectId, sessionId, partition, generation };
}

function newRecord(input: OpenSandboxInput, upstream: Upstream, volumes: SandboxRecord['volumes']): SandboxRecord {
  return {
    ...refOf(input),
    state: 'creating',
    workspaceReady: false,
    filesGeneration: 0,
    filesGenerationBefore: 0,
    volumes,
    containerId: null,
    imageEnv: [],
    upstreamObjects: upstream.objectsPath,
    shell: '/bin/sh',
    opened: null,
    memoryMb: input.environment.resources.memoryMb,
    hibernated: null,
  };
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
