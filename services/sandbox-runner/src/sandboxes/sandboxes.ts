// The sandboxes of this runner: made, reopened, attached to after a restart, stopped and removed.
//
// 1. Opening and removing are idempotent, one at a time per session. A failure midway leaves no container, volume or directory that
//    was not there before.
// 2. A generation older than the newest seen here is refused.
// 3. `attach` asks the engine only the first time: afterwards the exits it reports keep the record of open sandboxes true.

import type { Environment } from '@worktrail/contract/environment';
import type {
  HibernatedSandbox,
  HibernateInput,
  OpenedSandbox,
  OpenSandboxInput,
  SandboxRef,
} from '@worktrail/contract/sandbox-activities';
import type { Logger } from '@worktrail/runtime/log';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { stopGraceMs } from '../docker/docker-container-spec.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import { createOpenSandboxes, type OpenSandbox, type SlotHolder, slotHolder } from '../sessions/open-sandboxes.ts';
import { createSandboxArchiving } from './sandbox-archiving.ts';
import { createSandboxMaking, type SandboxMakingDeps } from './sandbox-making.ts';
import { createSandboxOpening } from './sandbox-opening.ts';
import type { SandboxRecord } from '../sessions/session-directory.ts';
import { SessionFailure, StaleGeneration } from '../sessions/session-failure.ts';

export interface Sandboxes {
  /** @throws SessionFailure, StaleGeneration, RunnerDraining; anything else may be tried again. */
  open(input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
  /** The open sandbox of this very generation, if there is one. @throws StaleGeneration */
  attach(ref: SandboxRef): Promise<OpenSandbox | undefined>;
  /** Stops the container and keeps the volumes. */
  stop(sessionId: string): Promise<void>;
  /** Stops the container, and archives the volumes, once for each generation. @throws StaleGeneration */
  hibernate(input: HibernateInput, signal: AbortSignal): Promise<HibernatedSandbox>;
  /**
   * Takes away what is out of date of a session that nobody works on here at the moment, and answers what that was. `judge` is asked
   * while nobody can begin to.
   */
  fence(sessionId: string, judge: (record: SandboxRecord) => Promise<StaleParts>): Promise<StaleParts>;
  remove(ref: SandboxRef): Promise<void>;
  /** Nobody opens it, stops it or takes it away at the moment. */
  isIdle(sessionId: string): boolean;
  /**
   * Does away with what is left over of a session. `work` runs while nobody can begin to open it, or not at all: then the answer
   * is false.
   */
  clean(sessionId: string, work: (removeEverything: () => Promise<void>) => Promise<void>): Promise<boolean>;
  /** Asks the engine whether the container is really there, where its supervisor does not answer. */
  verify(sandbox: OpenSandbox): Promise<boolean>;
  /** Sessions that hold a container here. */
  occupied(): ReadonlyMap<string, SlotHolder>;
  attached(): OpenSandbox[];
  /** Attaches to every sandbox that is open here, also to those that nobody asked for yet. Answers those whose container does not run. */
  attachAll(signal: AbortSignal): Promise<SandboxRecord[]>;
  /** Keeps the record of open sandboxes true by what the engine reports. */
  watch(signal: AbortSignal): void;
  /** From now on nothing is opened and nothing new is attached to. Resolves once what was being opened is taken away again. */
  drain(): Promise<void>;
  isDraining(): boolean;
  /** Counts the sessions that hold a container here. */
  countContainers(): Promise<void>;
  close(): void;
}

export interface SandboxesDeps extends Omit<SandboxMakingDeps, 'open' | 'archiving'> {
  artifacts: ArtifactStore;
  diskReserveBytes: number;
  log: Logger;
}

/** What of a session's parts here is out of date. */
export type StaleParts = 'none' | 'container' | 'everything';

/** Asked to open or to start something while the runner goes down; another try finds it back, or another runner. */
export class RunnerDraining extends Error {
  override readonly name = 'RunnerDraining';
}

export function createSandboxes(deps: SandboxesDeps): Sandboxes {
  const { driver, directories, log } = deps;
  const open = createOpenSandboxes();
  const archiving = createSandboxArchiving(deps);
  const making = createSandboxMaking({ ...deps, archiving, open });
  const opening = createSandboxOpening({ making, log });
  const lock = createKeyedLock();
  const draining = new AbortController();
  const openings = new Set<Promise<unknown>>();

  async function openLocked(input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox> {
    signal.throwIfAborted();
    refuseNetwork(input.environment, deps.control);
    const record = await directories.at(input.sessionId).readRecord();
    if (record && record.generation > input.generation) throw stale(input, record);
    if (record?.generation === input.generation && record.opened && record.state === 'open') {
      if (open.find(input.sessionId) || (await making.attach(record))) return record.opened;
    }
    return opening.open(record, input, signal);
  }

  async function attachLocked(ref: SandboxRef): Promise<OpenSandbox | undefined> {
    const known = open.find(ref.sessionId);
    if (known?.record.generation === ref.generation) return known;
    if (draining.signal.aborted) return undefined;
    const record = await directories.at(ref.sessionId).readRecord();
    if (record && record.generation > ref.generation) throw stale(ref, record);
    return record?.generation === ref.generation ? making.attach(record) : undefined;
  }

  async function stopLocked(record: SandboxRecord, graceMs = stopGraceMs): Promise<SandboxRecord> {
    await making.removeContainers(record.sessionId, graceMs);
    const stopped: SandboxRecord = { ...record, state: 'stopped', containerId: null };
    await directories.at(record.sessionId).writeRecord(stopped);
    return stopped;
  }

  async function hibernateLocked(input: HibernateInput, signal: AbortSignal): Promise<HibernatedSandbox> {
    const directory = directories.at(input.sessionId);
    const record = await directory.readRecord();
    if (record && record.generation > input.generation) throw stale(input, record);
    // Nothing of it is here: what was stored before is all there is.
    if (record?.generation !== input.generation || !record.workspaceReady) return { archive: null };
    if (record.hibernated) return record.hibernated;
    const stopped = await stopLocked(record);
    const hibernated = { archive: await archiving.archive(stopped, input, directory.path, signal) };
    await directory.writeRecord({ ...stopped, hibernated });
    return hibernated;
  }

  async function verifyAll(): Promise<void> {
    const before = open.list();
    if (before.length === 0) return;
    const running = new Set((await driver.listContainers()).filter((one) => one.running).map((one) => one.id));
    for (const { containerId } of before) if (!running.has(containerId)) open.forgetContainer(containerId);
  }

  return {
    async open(input, signal) {
      const until = AbortSignal.any([signal, draining.signal]);
      const work = lock.run(input.sessionId, () => openLocked(input, until));
      openings.add(work);
      try {
        return await work;
      } catch (error) {
        throw draining.signal.aborted ? new RunnerDraining('the runner is stopping', { cause: error }) : error;
      } finally {
        openings.delete(work);
      }
    },
    async attach(ref) {
      const known = open.find(ref.sessionId);
      if (known?.record.generation === ref.generation) return known;
      return lock.run(ref.sessionId, () => attachLocked(ref));
    },
    stop: (sessionId) =>
      lock.run(sessionId, async () => {
        const record = await directories.at(sessionId).readRecord();
        if (record?.state === 'open') await stopLocked(record);
      }),
    hibernate: (input, signal) => lock.run(input.sessionId, () => hibernateLocked(input, signal)),
    async fence(sessionId, judge) {
      // Somebody opens it, or takes it away: what is here is about to be another.
      if (lock.isHeld(sessionId)) return 'none';
      return lock.run(sessionId, async () => {
        const record = await directories.at(sessionId).readRecord();
        const stale = record ? await judge(record) : 'none';
        if (stale === 'everything') await making.removeEverything(sessionId);
        if (stale !== 'container' || !record) return stale;
        if (record.state === 'stopped') return 'none';
        // What ran in it has its end: no grace.
        await stopLocked(record, 0);
        return stale;
      });
    },
    remove: (ref) =>
      lock.run(ref.sessionId, async () => {
        const record = await directories.at(ref.sessionId).readRecord();
        if (record && record.generation > ref.generation) return;
        await making.removeEverything(ref.sessionId);
      }),
    async verify({ containerId }) {
      const running = await driver.isRunning(containerId);
      if (!running) open.forgetContainer(containerId);
      return running;
    },
    occupied: () => open.occupied,
    attached: () => open.list(),
    async attachAll(signal) {
      const dead: SandboxRecord[] = [];
      for (const sessionId of await directories.list()) {
        signal.throwIfAborted();
        if (open.find(sessionId)) continue;
        const record = await directories.at(sessionId).readRecord();
        if (record?.state !== 'open') continue;
        if (!(await lock.run(sessionId, () => attachLocked(record)))) dead.push(record);
      }
      return dead;
    },
    watch(signal) {
      const onResync = () =>
        verifyAll().catch((err: unknown) => {
          log.warn({ err }, 'sandboxes could not be verified');
          throw err;
        });
      driver.watchExits({ onExit: open.forgetContainer, onResync }, signal);
    },
    async drain() {
      draining.abort();
      await Promise.allSettled(openings);
    },
    isDraining: () => draining.signal.aborted,
    isIdle: (sessionId) => !lock.isHeld(sessionId),
    async clean(sessionId, work) {
      if (lock.isHeld(sessionId)) return false;
      return lock.run(sessionId, async () => {
        await work(() => making.removeEverything(sessionId));
        if ((await driver.listContainers(sessionId)).length === 0) open.forget(sessionId);
        return true;
      });
    },
    async countContainers() {
      const known = new Set(await directories.list());
      for (const { sessionId, running } of await driver.listContainers()) {
        if (!running || !known.has(sessionId)) continue;
        const record = await directories.at(sessionId).readRecord();
        open.occupied.set(sessionId, slotHolder(record ?? { organizationId: '' }));
        // What commands left behind goes on, and may need its way out before anybody asks for the session.
        if (record?.egress) await deps.egress.open(record, record.egress, directories.at(sessionId).runPath);
      }
    },
    close: () => open.close(),
  };
}

/** A sandbox and its runner have to share a socket, and the kernel's own network. */
function refuseNetwork({ network, runtime }: Environment, control: SandboxesDeps['control']): void {
  if (network.mode === 'none' || (control === 'fifo' && runtime === 'runc')) return;
  const why = runtime === 'runc' ? 'its containers share no sockets with it' : `the runtime is ${runtime}`;
  const detail = `network mode "${network.mode}" is not supported by this runner: ${why}`;
  throw new SessionFailure('network_mode_unsupported', detail);
}

function stale(ref: SandboxRef, record: SandboxRecord): StaleGeneration {
  return new StaleGeneration(
    `generation ${ref.generation} of ${ref.sessionId} is over: generation ${record.generation} was opened here`,
  );
}
