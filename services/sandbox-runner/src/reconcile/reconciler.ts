// Finds what is here without a counterpart, and removes it once its grace is over.
//
// 1. One examination at a time. Each looks anew at everything; what could not be looked at is named, and nothing of it is removed.
// 2. Since when something is found so is on disk before anything is removed.
// 3. Before something of a session goes, the session is judged once more, while nobody can begin to open it; of one without a document,
//    its workflow is asked for too.
// 4. At most `removalsMax` things go in one examination, one after the other.

import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KV } from '@nats-io/kv';
import { isId } from '@worktrail/contract/ids';
import type { Examination, Scope } from '@worktrail/runtime/doctor';
import { type DatedFinding, dateFindings } from '@worktrail/runtime/first-seen';
import type { Logger } from '@worktrail/runtime/log';
import { streamCreatedMs } from '@worktrail/runtime/stream-created';
import { derivedRepository } from '../docker/derived-image.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { SandboxDriver } from '../docker/sandbox-driver.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { SessionDirectories } from '../sessions/session-directory.ts';
import { findFiles, newestChangeMs, removedDirectory } from './find-files.ts';
import { readFirstSeen, writeFirstSeen } from './first-seen-file.ts';
import { type FoundObject, judge, type Known, type KnownSession } from './judge.ts';
import { readKnownSession } from './known-sessions.ts';

const removalsMax = 200;
const readAtOnceMax = 16;

export interface ReconcilerDeps {
  runnerId: string;
  dataDirectory: string;
  driver: SandboxDriver;
  sandboxes: Sandboxes;
  directories: SessionDirectories;
  sessions: KV;
  /** A workflow of the session runs: it may have lost its document. */
  hasWorkflow(sessionId: string): Promise<boolean>;
  graceMs: number;
  clock: () => number;
  /** Aborted: what is under way is finished, and nothing else begun. */
  signal: AbortSignal;
  log: Logger;
}

export interface Reconciler {
  /** With `fix` what is due goes, as far as `mayFix` allows. */
  examine(options: { fix: boolean; mayFix: Scope }): Promise<Examination>;
}

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { dataDirectory, driver, sandboxes, log, clock } = deps;
  const seenPath = join(dataDirectory, 'reconcile.json');
  const processStartedMs = clock();
  const lock = createKeyedLock();

  async function know(found: readonly FoundObject[]): Promise<Known> {
    const claims = new Map<string, string | null>();
    for (const one of found) {
      if (one.kind === 'image' || one.sessionId === null || !isId(one.sessionId, 'session')) continue;
      const claimed = one.kind === 'directory' ? null : one.organizationId;
      claims.set(one.sessionId, claims.get(one.sessionId) ?? claimed);
    }
    const { streamInfo } = await deps.sessions.status();
    const sessions = new Map<string, KnownSession>();
    const waiting = [...claims];
    const readNext = async () => {
      for (let next = waiting.pop(); next; next = waiting.pop())
        sessions.set(next[0], await readKnownSession(deps, ...next));
    };
    await Promise.all(Array.from({ length: readAtOnceMax }, readNext));
    const documentsSinceMs = streamCreatedMs(streamInfo);
    return { runnerId: deps.runnerId, sessions, documentsSinceMs, processStartedMs };
  }

  async function look(): Promise<{ found: FoundObject[]; unseen: string[]; incomplete: string[] }> {
    const parts = [
      { kinds: ['container', 'volume', 'network'], find: () => driver.listOwned() },
      { kinds: ['image'], find: async () => (await driver.listUnusedImages(derivedRepository)).map(asImage) },
      { kinds: ['directory', 'leftover'], find: () => findFiles(dataDirectory) },
    ];
    const found: FoundObject[] = [];
    const unseen: string[] = [];
    const incomplete: string[] = [];
    for (const { kinds, find } of parts) {
      try {
        found.push(...(await find()));
      } catch (error) {
        unseen.push(...kinds);
        incomplete.push(`${kinds.join(', ')}: ${(error as Error).message}`);
      }
    }
    return { found, unseen, incomplete };
  }

  /** Whether it is still so, asked while nobody can begin to open its session. */
  async function isStillSo(finding: DatedFinding, one: FoundObject): Promise<boolean> {
    let found = one;
    if (one.kind === 'leftover') {
      const changedMs = await newestChangeMs(join(dataDirectory, one.name));
      if (changedMs === undefined) return false;
      found = { ...one, changedMs };
    }
    const known = await know([found]);
    const sessions = new Map([...known.sessions].map(([id, session]) => [id, { ...session, isIdle: true }]));
    const [now] = judge([found], { ...known, sessions }, clock());
    if (now?.reason !== finding.reason || now.action !== 'remove') return false;
    const isUnknown = finding.sessionId !== null && sessions.get(finding.sessionId)?.document === 'missing';
    return !isUnknown || !(await deps.hasWorkflow(finding.sessionId as string));
  }

  async function takeAway({ kind, name }: FoundObject): Promise<void> {
    if (kind === 'container') await driver.removeContainer(name);
    else if (kind === 'volume') await driver.removeVolume(name);
    else if (kind === 'network') await driver.removeNetwork(name);
    else if (kind === 'leftover') await removeScratch(dataDirectory, name);
  }

  async function remove(finding: DatedFinding, one: FoundObject): Promise<boolean> {
    if (finding.sessionId === null) {
      if (!(await isStillSo(finding, one))) return false;
      await takeAway(one);
      return true;
    }
    let removed = false;
    await sandboxes.clean(finding.sessionId, async (removeEverything) => {
      if (!(await isStillSo(finding, one))) return;
      await (one.kind === 'directory' ? removeEverything() : takeAway(one));
      removed = true;
    });
    return removed;
  }

  async function examine(fix: boolean, mayFix: Scope): Promise<Examination> {
    const checkedAtMs = clock();
    const { found, unseen, incomplete } = await look();
    const judged = judge(found, await know(found), checkedAtMs);
    const dating = { graceMs: deps.graceMs, nowMs: checkedAtMs, unseen };
    const { findings, seen } = dateFindings(judged, await readFirstSeen(seenPath), dating);
    await writeFirstSeen(seenPath, seen);
    const byName = new Map(found.map((one) => [`${one.kind} ${one.name}`, one]));
    const removed: DatedFinding[] = [];
    const failed: Examination['failed'][number][] = [];
    const due = fix ? findings.filter(({ isDue, organizationId }) => isDue && mayFix(organizationId)) : [];
    for (const finding of due.slice(0, removalsMax)) {
      if (deps.signal.aborted) break;
      try {
        const one = byName.get(`${finding.kind} ${finding.name}`);
        if (!one || !(await remove(finding, one))) continue;
        removed.push(finding);
        log.info({ ...finding }, 'removed what had no counterpart');
      } catch (error) {
        failed.push({ finding, reason: (error as Error).message });
        log.warn({ err: error, ...finding }, 'what has no counterpart could not be removed');
      }
    }
    return { findings: findings.filter((one) => !removed.includes(one)), removed, failed, incomplete, checkedAtMs };
  }

  return { examine: ({ fix, mayFix }) => lock.run('examination', () => examine(fix, mayFix)) };
}

/** Moved away at once, so that nobody who makes it anew meanwhile loses a part of that. */
async function removeScratch(dataDirectory: string, name: string): Promise<void> {
  const removed = join(dataDirectory, removedDirectory);
  await mkdir(removed, { recursive: true, mode: 0o700 });
  const aside = join(removed, randomUUID());
  await rename(join(dataDirectory, name), aside);
  await rm(aside, { recursive: true, force: true });
}

function asImage(name: string): FoundObject {
  return { kind: 'image', name };
}
