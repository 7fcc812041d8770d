// What a runner keeps of one session on its host's disk: a record, the supervisor's run directory, and how commands ended.
//
//   <data>/sessions/<sessionId>/record.json   what is there of the sandbox, replaced by rename
//   <data>/sessions/<sessionId>/run/          shared with the container (supervisor/README.md)
//   <data>/sessions/<sessionId>/results/<id>  a command's result, written once its end is in the stream
//
// A command with a result is never started again, whatever else of it was removed.

import { existsSync, readFileSync, renameSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandResult } from '@worktrail/contract/commands';
import { isId } from '@worktrail/contract/ids';
import type { HibernatedSandbox, OpenedSandbox, SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { EgressRules } from '../egress/egress-rules.ts';
import { removeTree } from '../host/remove-tree.ts';
import { removeCommandFiles } from '../supervision/supervisor-link.ts';

export interface SandboxRecord extends SandboxRef {
  /** "creating": a crash left it half made. "open": it has a container. "stopped": volumes are kept, no container. */
  state: 'creating' | 'open' | 'stopped';
  /** The volumes hold a whole work tree. */
  workspaceReady: boolean;
  /** The generation that last had the volumes' files open, as this runner knows it; 0 while they are not whole. */
  filesGeneration: number;
  /** What that one found in the volumes, unchanged until its first command: the workflow may never have been told of it. */
  filesGenerationBefore: number;
  /** Names of the engine's volumes. */
  volumes: { workspace: string; home: string };
  containerId: string | null;
  /** The image's own variables, `NAME=value`. */
  imageEnv: string[];
  /** The mirror's objects on the host, which the work tree borrows from. */
  upstreamObjects: string;
  /** Path of the shell that commands run in. */
  shell: string;
  opened: OpenedSandbox | null;
  /** Of its environment. */
  memoryMb?: number;
  /** What it may connect to; absent: it has no network. */
  egress?: EgressRules;
  /** When the sandbox was opened last, ms since 1970. */
  openedMs?: number;
  /** What became of the hibernation in this generation; null before it is over. */
  hibernated: HibernatedSandbox | null;
}

export interface SessionDirectory {
  readonly path: string;
  readonly runPath: string;
  /** Makes the directory where it is missing. */
  prepare(): Promise<void>;
  readRecord(): Promise<SandboxRecord | undefined>;
  writeRecord(record: SandboxRecord): Promise<void>;
  readResult(commandId: string): CommandResult | undefined;
  writeResult(commandId: string, result: CommandResult): Promise<void>;
  /** A request of this command was written: it may have been started. */
  wasRequested(commandId: string): boolean;
  /** A supervisor does not start a command without its request. Where there is one it is kept aside: it tells the values of secrets. */
  withdrawRequest(commandId: string): void;
  /** The request's bytes, also of one that was withdrawn. */
  readRequest(commandId: string): Promise<string>;
  /** Removes everything of a command but its result. */
  removeCommand(commandId: string): Promise<void>;
  remove(): Promise<void>;
}

export interface SessionDirectories {
  at(sessionId: string): SessionDirectory;
  /** Sessions that have a directory. */
  list(): Promise<string[]>;
}

export function createSessionDirectories(dataDirectory: string, clusterId: string): SessionDirectories {
  const root = join(dataDirectory, 'sessions');
  return {
    at: (sessionId) => sessionDirectory(root, sessionId, clusterId),
    list: async () => (await readdir(root).catch(emptyWhenMissing)).filter((name) => isId(name, 'session')),
  };
}

function sessionDirectory(root: string, sessionId: string, clusterId: string): SessionDirectory {
  if (!isId(sessionId, 'session')) throw new Error('malformed session id');
  const path = join(root, sessionId);
  const runPath = join(path, 'run');
  const recordPath = join(path, 'record.json');
  const resultPath = (commandId: string) => {
    if (!isId(commandId, 'command')) throw new Error('malformed command id');
    return join(path, 'results', commandId);
  };
  const requestPath = (commandId: string) => join(runPath, 'requests', commandId);
  const withdrawnPath = (commandId: string) => `${resultPath(commandId)}.withdrawn`;
  return {
    path,
    runPath,
    async prepare() {
      await mkdir(join(path, 'results'), { recursive: true, mode: 0o700 });
    },
    async readRecord() {
      const text = await readFile(recordPath, 'utf8').catch(undefinedWhenMissing);
      return text === undefined ? undefined : completed(JSON.parse(text) as StoredRecord, clusterId);
    },
    async writeRecord(record) {
      const temporary = `${recordPath}.tmp`;
      await writeFile(temporary, JSON.stringify(record), { mode: 0o600 });
      await rename(temporary, recordPath);
    },
    readResult(commandId) {
      const at = resultPath(commandId);
      return existsSync(at) ? (JSON.parse(readFileSync(at, 'utf8')) as CommandResult) : undefined;
    },
    async writeResult(commandId, result) {
      const at = resultPath(commandId);
      await writeFile(`${at}.tmp`, JSON.stringify(result), { mode: 0o600 });
      await rename(`${at}.tmp`, at);
    },
    wasRequested: (commandId) => existsSync(requestPath(commandId)) || existsSync(withdrawnPath(commandId)),
    withdrawRequest(commandId) {
      if (existsSync(requestPath(commandId))) renameSync(requestPath(commandId), withdrawnPath(commandId));
    },
    readRequest: (commandId) =>
      readFile(requestPath(commandId), 'utf8').catch(() => readFile(withdrawnPath(commandId), 'utf8')),
    async removeCommand(commandId) {
      await removeCommandFiles(runPath, commandId);
      const withdrawn = withdrawnPath(commandId);
      if (existsSync(withdrawn)) await rm(withdrawn, { force: true });
    },
    remove: () => removeTree(path),
  };
}

/** As records were before volumes had the names of generations. */
type StoredRecord =
  | SandboxRecord
  | Omit<SandboxRecord, 'filesGeneration' | 'filesGenerationBefore' | 'volumes' | 'hibernated'>;

function completed(stored: StoredRecord, clusterId: string): SandboxRecord {
  if ('volumes' in stored) return stored;
  const filesGeneration = stored.workspaceReady ? stored.generation : 0;
  const stem = `worktrail-${clusterId}-${stored.sessionId}`;
  const volumes = { workspace: `${stem}-workspace`, home: `${stem}-home` };
  return { ...stored, filesGeneration, filesGenerationBefore: 0, volumes, hibernated: null };
}

function undefinedWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}
