// A session's own store on its host: a bare repository that borrows from the mirror of its upstream.
//
// 1. It holds only objects that were checked one by one (fsck) and whose links all lead to objects that are there.
// 2. refs/worktrail/checkpoints/<n> is the work tree as a commit; refs/worktrail/state/<n> names it, the carrier (record.sh) and the
//    manifest. Both appear together.
// 3. Nothing in it is ever checked out on the host.

import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LeftOut } from '@worktrail/contract/checkpoints';
import { openBundleHeader, refsBytesMax, writeBundleHeader } from './bundle-header.ts';
import { commitOf, type NewCommit, treeOf, writeObject } from './loose-objects.ts';
import type { StartProgram } from '../host/program-start.ts';
import { createStoreGit, GitFailed, type StoreGit } from './store-git.ts';

/** Everything about a checkpoint that is not in its commit or its carrier. */
export interface Manifest {
  version: 1;
  checkpointId: string;
  number: number;
  commandId: string;
  createdMs: number;
  baseCommit: string;
  commit: string;
  tree: string;
  carrier: string;
  /** Of the checkpoint before, which the carrier may grow from. */
  carrierBefore: string | null;
  /** Of work tree, index and repository; the sandbox's word. */
  fingerprint: string;
  headCommit: string | null;
  headRef: string | null;
  filesChanged: number;
  notKept: string[];
  leftOut?: LeftOut[];
  /** The repository's own state could not be recorded. */
  withoutRepository: boolean;
}

/** The mirror of the repository on this host does not have the commit that the session began with. */
export class BaseCommitMissing extends Error {
  override readonly name = 'BaseCommitMissing';
}

export interface SessionStore {
  readonly path: string;
  readonly git: StoreGit;
  /** The manifest of a number; undefined where there is none, or none that can be read. */
  read(number: number, signal: AbortSignal): Promise<Manifest | undefined>;
  /** The same of each, in their order. */
  readAll(numbers: readonly number[], signal: AbortSignal): Promise<(Manifest | undefined)[]>;
  /** Writes a commit of the system's own, and answers its id. */
  commit(commit: NewCommit): Promise<string>;
  /** Takes in a pack. @throws GitFailed when an object of it is malformed, or leads to one that is not there. */
  ingest(pack: { fd: number }, bytesMax: number, signal: AbortSignal): Promise<void>;
  /** Makes the checkpoint of `manifest.number` appear, and those with higher numbers vanish. */
  publish(manifest: Manifest, signal: AbortSignal): Promise<void>;
  /** Takes in a bundle of checkpoints. */
  ingestBundle(path: string, signal: AbortSignal): Promise<void>;
  /** Writes a bundle of one checkpoint, or of all up to it, to a new file at `path`. */
  writeBundle(path: string, number: number, all: boolean, baseCommit: string, signal: AbortSignal): Promise<void>;
  /** Whether all that is named is there and can be read. */
  isWhole(signal: AbortSignal): Promise<boolean>;
  /** Packs together what was taken in. */
  compact(signal: AbortSignal): Promise<void>;
}

const author = { name: 'Worktrail', email: 'session@worktrail.invalid' };
const who = `${author.name} <${author.email}>`;
const bundleBytesMax = 16 * 1024 ** 3;
const manifestBytesMax = 1_048_576;

// Sloppiness of old or odd programs that hurts nobody who does not check it out; what is left are objects that no git can have made.
const tolerated = [
  ...[
    'missingEmail',
    'missingNameBeforeEmail',
    'missingSpaceBeforeEmail',
    'missingSpaceBeforeDate',
    'badEmail',
    'badName',
  ],
  ...[
    'badDate',
    'badDateOverflow',
    'badTimezone',
    'zeroPaddedDate',
    'zeroPaddedFilemode',
    'badFilemode',
    'multipleAuthors',
  ],
  ...[
    'nulInCommit',
    'badTagName',
    'missingTaggerEntry',
    'emptyName',
    'gitignoreSymlink',
    'gitattributesSymlink',
    'mailmapSymlink',
  ],
  ...['gitmodulesBlob', 'gitmodulesLarge', 'gitmodulesMissing', 'gitmodulesName', 'gitmodulesParse', 'gitmodulesPath'],
  ...['gitmodulesSymlink', 'gitmodulesUpdate', 'gitmodulesUrl'],
  ...['gitattributesLarge', 'gitattributesLineLength', 'gitattributesMissing', 'gitattributesBlob'],
]
  .map((id) => `${id}=ignore`)
  .join(',');

export const checkpointRef = (number: number): string => `refs/worktrail/checkpoints/${number}`;
export const stateRef = (number: number): string => `refs/worktrail/state/${number}`;

/** Finds or makes it. Nobody else uses it meanwhile. @throws BaseCommitMissing */
export async function openSessionStore(
  options: { start: StartProgram; sessionPath: string; upstreamObjects: string; baseCommit: string },
  signal: AbortSignal,
): Promise<SessionStore> {
  const { sessionPath, upstreamObjects, baseCommit } = options;
  const path = join(sessionPath, 'store.git');
  if (!existsSync(path)) await makeStore(path, upstreamObjects, baseCommit);
  else {
    await removeLeftovers(path);
    await lendObjects(path, upstreamObjects);
  }
  const git = createStoreGit(path, options.start);
  const store = sessionStore(path, git);
  const [base] = await checkObjects(git, [`${baseCommit}^{commit}`], signal);
  if (base?.type !== 'commit') {
    throw new BaseCommitMissing(`the repository's mirror on this host does not have the commit ${baseCommit}`);
  }
  return store;
}

export async function removeSessionStore(sessionPath: string): Promise<void> {
  await rm(join(sessionPath, 'store.git'), { recursive: true, force: true });
}

/** An empty bare repository that borrows these objects. It appears by rename. */
export async function makeStore(path: string, upstreamObjects: string, baseCommit: string): Promise<void> {
  const scratch = `${path}.new`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await mkdir(join(scratch, 'refs'), { recursive: true, mode: 0o700 });
  const sha256 = baseCommit.length === 64;
  const extension = sha256 ? '[extensions]\n\tobjectFormat = sha256\n' : '';
  await writeFile(join(scratch, 'HEAD'), 'ref: refs/heads/none\n');
  await writeFile(
    join(scratch, 'config'),
    `[core]\n\trepositoryFormatVersion = ${sha256 ? 1 : 0}\n\tbare = true\n${extension}`,
  );
  await lendObjects(scratch, upstreamObjects);
  const shallow = await readFile(join(dirname(upstreamObjects), 'shallow'), 'utf8').catch(() => '');
  if (shallow !== '') await writeFile(join(scratch, 'shallow'), shallow);
  await rename(scratch, path);
}

/** Of a git that was killed. There is one user of a store at a time. */
async function removeLeftovers(path: string): Promise<void> {
  const places = ['.', 'refs/worktrail/checkpoints', 'refs/worktrail/state', 'objects', 'objects/pack'];
  for (const place of places) {
    const names = await readdir(join(path, place)).catch(() => []);
    for (const name of names.filter((one) => one.endsWith('.lock') || /^\.?tmp[-_]/.test(one))) {
      await rm(join(path, place, name), { recursive: true, force: true });
    }
  }
}

async function lendObjects(path: string, upstreamObjects: string): Promise<void> {
  await mkdir(join(path, 'objects', 'info'), { recursive: true, mode: 0o700 });
  await writeFile(join(path, 'objects', 'info', 'alternates'), `${upstreamObjects}\n`);
}

function sessionStore(path: string, git: StoreGit): SessionStore {
  const ingest = async (
    stdin: { fd: number } | { stream: NodeJS.ReadableStream },
    bytesMax: number,
    signal: AbortSignal,
  ) => {
    const limits = [`--strict=${tolerated}`, `--max-input-size=${bytesMax}`];
    await git(['index-pack', '--stdin', '--fix-thin', ...limits], { signal, stdin });
  };
  const store: SessionStore = {
    path,
    git,
    ingest,

    read: async (number, signal) => (await store.readAll([number], signal))[0],

    async readAll(numbers, signal) {
      // They are small unless they are none.
      const bounds = { stdoutBytesMax: numbers.length * manifestBytesMax, stdoutCut: true };
      const stdin = numbers.map((number) => `${stateRef(number)}:manifest.json\n`).join('');
      let rest = await git(['cat-file', '--batch'], { signal, stdin, ...bounds });
      return numbers.map(() => {
        const end = rest.indexOf('\n');
        const found = /^[0-9a-f]{40,64} blob (\d+)$/.exec(rest.toString('latin1', 0, Math.max(end, 0)));
        const bytes = found ? Number(found[1]) : -1;
        const text = rest.subarray(end + 1, end + 1 + Math.max(bytes, 0));
        rest = rest.subarray(end + 2 + bytes);
        return text.length === bytes ? (JSON.parse(text.toString()) as Manifest) : undefined;
      });
    },

    commit: (commit) => writeObject(path, commit.tree, 'commit', commitOf(commit, who)),

    async publish(manifest, signal) {
      const { number, commit, carrier, createdMs } = manifest;
      const blob = await writeObject(path, commit, 'blob', Buffer.from(JSON.stringify(manifest)));
      const tree = await writeObject(path, commit, 'tree', treeOf('manifest.json', blob));
      const parents = [commit, carrier];
      const state = await store.commit({ tree, parents, message: `state ${number}`, createdMs });
      const higher = (await listRefs(path, git, signal)).filter((name) => Number(name.split('/').at(-1)) > number);
      const lines = [
        `update ${checkpointRef(number)} ${commit}`,
        `update ${stateRef(number)} ${state}`,
        ...higher.map((name) => `delete ${name}`),
      ];
      await git(['update-ref', '--stdin'], { signal, stdin: `start\n${lines.join('\n')}\nprepare\ncommit\n` });
    },

    async ingestBundle(bundle, signal) {
      const header = await openBundleHeader(bundle);
      const file = await open(bundle);
      try {
        await ingest(
          { stream: file.createReadStream({ start: header.packOffset, autoClose: false }) },
          bundleBytesMax,
          signal,
        );
      } finally {
        await file.close();
      }
      const lines = header.refs.map(({ name, id }) => `update ${name} ${id}`);
      await git(['update-ref', '--stdin'], { signal, stdin: `start\n${lines.join('\n')}\nprepare\ncommit\n` });
    },

    async writeBundle(bundle, number, all, baseCommit, signal) {
      const numbers = all ? Array.from({ length: number }, (_, index) => index + 1) : [number];
      const wanted = numbers.flatMap((one) => [checkpointRef(one), stateRef(one)]);
      const [before, ...found] = await readRefs(path, git, [stateRef(number - 1), ...wanted], signal);
      const refs = wanted.map((name, index) => {
        const id = found[index];
        if (id === undefined) throw new GitFailed(`the store has no ${name}`);
        return { name, id };
      });
      const known = [...(all || before === undefined ? [] : [before]), baseCommit];
      const file = await open(bundle, 'w');
      try {
        const header = Buffer.from(writeBundleHeader({ refs, known, sha256: baseCommit.length === 64 }));
        await file.write(header);
        const stdin = [...refs.map(({ id }) => id), ...known.map((id) => `^${id}`)].join('\n');
        const options = ['--revs', '--thin', '--stdout', '--delta-base-offset', '-q'];
        const stdout = { fd: file.fd, from: header.length };
        await git(['pack-objects', ...options], { signal, stdin: `${stdin}\n`, stdout });
      } finally {
        await file.close();
      }
    },

    async isWhole(signal) {
      try {
        await git(['rev-list', '--objects', '--all', '--quiet'], { signal });
        const packs = join(path, 'objects', 'pack');
        const indexes = (await readdir(packs).catch(() => [])).filter((name) => name.endsWith('.idx'));
        for (const index of indexes) await git(['verify-pack', join(packs, index)], { signal });
        return true;
      } catch (error) {
        if (error instanceof GitFailed) return false;
        throw error;
      }
    },

    async compact(signal) {
      await git(['repack', '-a', '-d', '-l', '-q'], { signal });
    },
  };
  return store;
}

/** Of checkpoints. Each is a file, unless somebody has packed them. */
async function listRefs(path: string, git: StoreGit, signal: AbortSignal): Promise<string[]> {
  if (existsSync(join(path, 'packed-refs'))) {
    const listing = ['for-each-ref', '--format=%(refname)', 'refs/worktrail/'];
    return (await git(listing, { signal, stdoutBytesMax: refsBytesMax })).toString().split('\n');
  }
  const kinds = ['refs/worktrail/checkpoints', 'refs/worktrail/state'];
  const listed = kinds.map(async (kind) => {
    const names = await readdir(join(path, kind)).catch(() => []);
    return names.map((name) => `${kind}/${name}`);
  });
  return (await Promise.all(listed)).flat();
}

/** The id of each; undefined where there is none. */
async function readRefs(path: string, git: StoreGit, names: string[], signal: AbortSignal) {
  const read = names.map(async (name) => {
    const text = await readFile(join(path, name), 'utf8').catch(() => '');
    return /^([0-9a-f]{40}|[0-9a-f]{64})\n$/.exec(text)?.[1];
  });
  const ids = await Promise.all(read);
  if (!ids.includes(undefined) || !existsSync(join(path, 'packed-refs'))) return ids;
  return (await checkObjects(git, names, signal)).map((found) => found?.id);
}

export interface FoundObject {
  id: string;
  type: string;
  bytes: number;
}

/** What is behind each name; undefined where there is nothing. No name contains white space. */
export async function checkObjects(
  git: StoreGit,
  names: string[],
  signal: AbortSignal,
): Promise<(FoundObject | undefined)[]> {
  const answer = await git(['cat-file', '--batch-check'], { signal, stdin: `${names.join('\n')}\n` });
  const lines = answer.toString('latin1').trimEnd().split('\n');
  return names.map((_, index) => {
    const [id, type, size] = (lines[index] ?? '').split(' ');
    return /^[0-9a-f]{40,64}$/.test(id ?? '') && size !== undefined
      ? { id: id!, type: type!, bytes: Number(size) }
      : undefined;
  });
}

export async function commitTree(git: StoreGit, commit: NewCommit, signal: AbortSignal): Promise<string> {
  const date = `${Math.floor(commit.createdMs / 1000)} +0000`;
  const env = {
    GIT_AUTHOR_NAME: author.name,
    GIT_AUTHOR_EMAIL: author.email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: author.name,
    GIT_COMMITTER_EMAIL: author.email,
    GIT_COMMITTER_DATE: date,
  };
  const parents = commit.parents.flatMap((parent) => ['-p', parent]);
  const id = await git(['commit-tree', commit.tree, ...parents], { signal, stdin: `${commit.message}\n`, env });
  return id.toString().trim();
}
