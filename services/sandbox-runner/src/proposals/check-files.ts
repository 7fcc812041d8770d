// What the checks of a proposal begin with: the merge as a checkpoint of which a session's files can be made (restore.sh). Its work tree
// is the candidate's tree and nothing else; its repository stands on the merge, with nothing changed.

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointRef } from '@worktrail/contract/checkpoints';
import { commitTree, type Manifest } from '../checkpoints/session-store.ts';
import type { Upstream } from '../repositories/repository-mirror.ts';
import type { ProposalStore } from './proposal-store.ts';

export interface CheckFiles {
  checkpointId: string;
  branch: string;
  /** The merge, and its tree. */
  commit: string;
  tree: string;
  createdMs: number;
}

/** The store's only checkpoint from then on is this one. */
export async function keepCheckFiles(
  store: ProposalStore,
  upstream: Upstream,
  { checkpointId, branch, commit, tree, createdMs }: CheckFiles,
  signal: AbortSignal,
): Promise<CheckpointRef> {
  const { git } = store;
  const target = upstream.defaultCommit;
  const blob = async (stdin: string) =>
    (await git(['hash-object', '-w', '--stdin'], { signal, stdin })).toString().trim();
  const folder = async (entries: string[]) =>
    (await git(['mktree'], { signal, stdin: entries.map((entry) => `${entry}\n`).join('') })).toString().trim();
  const file = (id: string, name: string) => `100644 blob ${id}\t${name}`;

  const refs = [
    '# pack-refs with: peeled fully-peeled sorted ',
    `${commit} refs/heads/${branch}`,
    `${target} refs/remotes/origin/${upstream.defaultBranch}`,
  ];
  const repository = await folder([
    file(await blob(`ref: refs/heads/${branch}\n`), 'HEAD'),
    file(await blob(configuration(upstream, target.length === 64)), 'config'),
    file(await writeIndex(store, tree, signal), 'index'),
    file(await blob(`${refs.join('\n')}\n`), 'packed-refs'),
    ...(upstream.shallow === '' ? [] : [file(await blob(upstream.shallow), 'shallow')]),
  ]);
  const carrierTree = await folder([
    `040000 tree ${repository}\tdotgit`,
    `040000 tree ${tree}\tindex`,
    file(await blob(`${commit}\n`), 'tips'),
    `040000 tree ${tree}\twork`,
  ]);
  const carrier = await commitTree(git, { tree: carrierTree, parents: [commit], message: 'state', createdMs }, signal);
  const manifest: Manifest = {
    ...{ version: 1, checkpointId, number: 1, commandId: '', createdMs, baseCommit: target, commit, tree },
    ...{ carrier, carrierBefore: null, fingerprint: '', headCommit: commit, headRef: `refs/heads/${branch}` },
    ...{ filesChanged: 0, notKept: [], withoutRepository: false },
  };
  await store.publish(manifest, signal);
  return { id: checkpointId, number: 1, commit, tree };
}

/** Of the tree, without what an index knows of files: that is asked for where they are. */
async function writeIndex(store: ProposalStore, tree: string, signal: AbortSignal): Promise<string> {
  const path = join(store.scratch, 'index');
  await store.git(['read-tree', tree], { signal, env: { GIT_INDEX_FILE: path } });
  const index = await open(path);
  try {
    return (await store.git(['hash-object', '-w', '--stdin'], { signal, stdin: index })).toString().trim();
  } finally {
    await index.close();
  }
}

function configuration({ url }: Upstream, isSha256: boolean): string {
  const quoted = `"${url.replaceAll(/[\x00-\x1f\x7f]/g, '').replaceAll(/[\\"]/g, '\\$&')}"`;
  return `[core]
	repositoryformatversion = ${isSha256 ? 1 : 0}
	filemode = true
	bare = false
	logallrefupdates = true
${isSha256 ? '[extensions]\n\tobjectformat = sha256\n' : ''}[remote "origin"]
	url = ${quoted}
	fetch = +refs/heads/*:refs/remotes/origin/*
[user]
	name = Worktrail
	email = session@worktrail.invalid
[gc]
	auto = 0
`;
}
