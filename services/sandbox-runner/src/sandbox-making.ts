// How a sandbox is made, made again from its volumes, attached to, and taken away: the steps, without their order between callers.
//
// The record is written before anything is made: without one there is nothing to remove. Which containers and volumes a session has is
// asked of the engine, by their owner: a process that dies while one is made never learns its id.

import { access, chown } from 'node:fs/promises';
import type { Environment } from '@worktrail/contract/environment';
import type { OpenedSandbox, OpenSandboxInput, SandboxRef } from '@worktrail/contract/sandbox-activities';
import { createCheckpointDirectory } from './checkpoints/checkpoint-directory.ts';
import { volumeNames } from './docker-container-spec.ts';
import type { OpenSandbox, OpenSandboxes } from './open-sandboxes.ts';
import type { RepositoryMirrors, Upstream } from './repository-mirror.ts';
import type { SandboxDriver, SandboxImage } from './sandbox-driver.ts';
import type { SandboxImages } from './sandbox-images.ts';
import type { SandboxRecord, SessionDirectories, SessionDirectory } from './session-directory.ts';
import { SessionFailure } from './session-failure.ts';
import type { SendControlLine } from './supervisor-control.ts';
import { createRunDirectory, openSupervisorLink, type SupervisorLink } from './supervisor-link.ts';
import { readHeadCommit, setUpWorkspace } from './workspace-setup.ts';

/** Of whom commands run as, in every sandbox. */
const sandboxUser = 1000;

export interface SandboxMakingDeps {
  driver: SandboxDriver;
  images: SandboxImages;
  mirrors: RepositoryMirrors;
  directories: SessionDirectories;
  open: OpenSandboxes;
  clusterId: string;
  control: 'fifo' | 'exec';
}

export interface SandboxMaking {
  /** @throws SessionFailure; what it made until then is left for `removeEverything`. */
  make(input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
  /** From the volumes that an earlier generation left here. A failure leaves them as they were. */
  makeAgain(before: SandboxRecord, input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
  /** Undefined where the recorded container does not run. */
  attach(record: SandboxRecord): Promise<OpenSandbox | undefined>;
  removeContainers(sessionId: string, graceMs?: number): Promise<void>;
  removeEverything(sessionId: string): Promise<void>;
}

export function createSandboxMaking(deps: SandboxMakingDeps): SandboxMaking {
  const { driver, directories, open } = deps;
  const volumesOf = (sessionId: string) => volumeNames(deps.clusterId, sessionId);

  function linkTo(directory: SessionDirectory, containerId: string): SupervisorLink {
    const send: SendControlLine = (line) => driver.sendControlLine(containerId, line);
    return openSupervisorLink({ runDirectory: directory.runPath, ...(deps.control === 'exec' && { send }) });
  }

  /** Boots a container on the session's volumes, and attaches to it. */
  async function boot(
    record: SandboxRecord,
    environment: Environment,
    image: SandboxImage,
    signal: AbortSignal,
  ): Promise<OpenSandbox> {
    const directory = directories.at(record.sessionId);
    const volumes = volumesOf(record.sessionId);
    const ready = async (name: string) => chown(await driver.createVolume(name, record), sandboxUser, sandboxUser);
    await Promise.all(Object.values(volumes).map(ready));
    await createRunDirectory(directory.runPath);
    const { resources, runtime } = environment;
    const { upstreamObjects } = record;
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

  async function requireKept(record: SandboxRecord): Promise<void> {
    for (const name of Object.values(volumesOf(record.sessionId))) {
      if (await driver.hasVolume(name)) continue;
      throw new SessionFailure('workspace_lost', `the volume ${name} of generation ${record.generation} is gone`);
    }
    await access(record.upstreamObjects).catch(() => {
      throw new SessionFailure('workspace_lost', 'the upstream objects that the work tree borrows from are gone');
    });
  }

  return {
    async make(input, signal) {
      const [image, upstream] = await Promise.all([deps.images.ensure(input.environment), deps.mirrors.sync(input)]);
      signal.throwIfAborted();
      const directory = directories.at(input.sessionId);
      await directory.prepare();
      const record = newRecord(input, upstream);
      await directory.writeRecord(record);
      const { link, lost } = await boot(record, input.environment, image, signal);
      const setup = { upstream, branch: input.branch, imageEnv: image.env, signal: AbortSignal.any([signal, lost]) };
      record.shell = await setUpWorkspace(link, setup);
      const { baseCommit } = upstream;
      record.opened = { from: 'new', baseCommit, headCommit: baseCommit };
      record.workspaceReady = true;
      record.state = 'open';
      await directory.writeRecord(record);
      return record.opened;
    },

    async makeAgain(before, input, signal) {
      const directory = directories.at(input.sessionId);
      await removeContainers(input.sessionId);
      await requireKept(before);
      const image = await deps.images.ensure(input.environment);
      const record: SandboxRecord = { ...before, ...refOf(input), state: 'creating', containerId: null };
      await directory.writeRecord(record);
      try {
        const { link, lost } = await boot(record, input.environment, image, signal);
        const baseCommit = before.opened?.baseCommit ?? '';
        const until = AbortSignal.any([signal, lost]);
        const head = await readHeadCommit(link, { imageEnv: image.env, signal: until });
        record.opened = { from: 'volume', baseCommit, headCommit: head ?? baseCommit };
        record.state = 'open';
        await directory.writeRecord(record);
        return record.opened;
      } catch (error) {
        await removeContainers(input.sessionId);
        throw error;
      }
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
      await Promise.all(Object.values(volumesOf(sessionId)).map((name) => driver.removeVolume(name)));
      await directory.remove();
    },
  };
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
    upstreamObjects: upstream.objectsPath,
    shell: '/bin/sh',
    opened: null,
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
