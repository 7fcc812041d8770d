// Archives of a session's volumes in the artifact store: made at hibernation, and laid into the volumes of another host.
//
// Over the limit what `environment.persist` names is archived, and where that is too much, nothing: the checkpoint is what travels then.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionArchive } from '@worktrail/contract/checkpoints';
import type { HibernateInput } from '@worktrail/contract/sandbox-activities';
import type { Logger } from '@worktrail/runtime/log';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { freeBytes, NoDiskSpace, requireDiskSpace } from '../host/disk-space.ts';
import type { SandboxDriver } from '../docker/sandbox-driver.ts';
import type { SandboxRecord } from '../sessions/session-directory.ts';
import {
  ArchiveTooLarge,
  archivePersisted,
  archiveVolumes,
  extractVolumes,
  type VolumeDirectories,
} from './volume-archive.ts';

export interface SandboxArchiving {
  /** Of volumes whose container is gone. `directory` is the session's own, for the file on its way. @throws NoDiskSpace */
  archive(
    record: SandboxRecord,
    input: HibernateInput,
    directory: string,
    signal: AbortSignal,
  ): Promise<SessionArchive | null>;
  /** @throws NoDiskSpace, ArtifactMissing, ArtifactCorrupt */
  restore(archive: SessionArchive, volumes: VolumeDirectories, directory: string, signal: AbortSignal): Promise<void>;
}

export function createSandboxArchiving(deps: {
  driver: Pick<SandboxDriver, 'findVolume'>;
  artifacts: ArtifactStore;
  /** Free space that an archive on its way leaves. */
  diskReserveBytes: number;
  log: Logger;
}): SandboxArchiving {
  const { driver, artifacts, diskReserveBytes, log } = deps;

  async function directoriesOf({ volumes }: SandboxRecord): Promise<VolumeDirectories | undefined> {
    const [workspace, home] = [await driver.findVolume(volumes.workspace), await driver.findVolume(volumes.home)];
    if (workspace === undefined || home === undefined) throw new Error('a volume of the session is gone');
    return existsSync(workspace) && existsSync(home) ? { workspace, home } : undefined;
  }

  return {
    async archive(record, input, directory, signal) {
      const { sessionId, archiveBytesMax: bytesMax, persist } = input;
      if (bytesMax === 0) return null;
      const volumes = await directoriesOf(record);
      if (!volumes) {
        log.warn({ sessionId }, 'nothing is archived: the volumes of the engine are not directories of this host');
        return null;
      }
      const path = join(directory, 'archive.tmp');
      const roomBytes = Math.max(0, (await freeBytes(directory)) - diskReserveBytes);
      const limits = { bytesMax: Math.min(bytesMax, roomBytes), signal };
      try {
        const made = await writeArchive(volumes, persist, path, limits);
        if (!made && roomBytes < bytesMax) throw new NoDiskSpace('there is no room for the archive of a session');
        if (!made) {
          log.warn({ sessionId, bytesMax }, 'nothing is archived: what would be is over the limit, or not there');
          return null;
        }
        const artifact = await artifacts.put(await archiveName(input, path), path, signal);
        return { ...made, artifact };
      } finally {
        await rm(path, { force: true });
      }
    },
    async restore(archive, volumes, directory, signal) {
      const path = join(directory, 'archive.tmp');
      await rm(path, { force: true });
      await requireDiskSpace([directory], diskReserveBytes + archive.artifact.bytes);
      try {
        await artifacts.get(archive.artifact, path, signal);
        await extractVolumes(path, volumes, signal);
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}

async function writeArchive(
  volumes: VolumeDirectories,
  persist: string[],
  path: string,
  limits: { bytesMax: number; signal: AbortSignal },
): Promise<Omit<SessionArchive, 'artifact'> | undefined> {
  try {
    const { pathsTooLong } = await archiveVolumes(volumes, path, limits);
    return { kind: 'whole', notKept: tooLong(pathsTooLong) };
  } catch (error) {
    if (!(error instanceof ArchiveTooLarge)) throw error;
  }
  try {
    const { kept, pathsTooLong } = await archivePersisted(volumes, persist, path, limits);
    const missing = persist.filter((one) => !kept.includes(one));
    const notKept = [
      'ignored files and home outside of environment.persist',
      ...missing.map((one) => `${one}: not there`),
      ...tooLong(pathsTooLong),
    ];
    return kept.length > 0 ? { kind: 'persist', notKept } : undefined;
  } catch (error) {
    if (!(error instanceof ArchiveTooLarge)) throw error;
    return undefined;
  }
}

function tooLong(paths: number): string[] {
  return paths === 0 ? [] : [`${paths} files or directories whose paths are too long`];
}

/** By content: another attempt may write other bytes for the same files. */
async function archiveName(input: HibernateInput, path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  const { organizationId, sessionId, generation } = input;
  return `${organizationId}/${sessionId}/archive-g${generation}-${hash.digest('hex').slice(0, 32)}`;
}
