// For the property test of reverts and forks: what a session's files, its index and its branches should be after any order of changes,
// without git.

import { createHash } from 'node:crypto';

export interface ModelFile {
  content: string;
  kind: 'file' | 'program' | 'link';
}

export type ModelTree = ReadonlyMap<string, ModelFile>;

export interface ModelCommit {
  message: string;
  tree: ModelTree;
  parent: ModelCommit | null;
}

/** The session's own branch, whatever its name is. */
export const ownBranch = 'own';

/** Nothing of it is ever changed in place: states share it. */
export interface ModelState {
  files: ModelTree;
  index: ModelTree;
  head: ModelCommit;
  /** null: HEAD is detached. */
  on: string | null;
  branches: ReadonlyMap<string, ModelCommit>;
}

export type Change =
  | { do: 'write'; path: string; content: string; kind: ModelFile['kind'] }
  | { do: 'delete'; path: string }
  | { do: 'rename'; from: string; to: string }
  /** As it is, also where it is not there. */
  | { do: 'stage'; path: string }
  | { do: 'untrack'; path: string }
  /** `all`: what was not staged too. */
  | { do: 'commit'; message: string; all: boolean }
  /** To a branch at HEAD, wherever one of that name was; null: to none. */
  | { do: 'switch'; to: string | null };

export function newModelState(tree: ModelTree): ModelState {
  const head = { message: '', tree, parent: null };
  return { files: tree, index: tree, head, on: ownBranch, branches: new Map([[ownBranch, head]]) };
}

/** Files that are there are named by a number. */
export function pick(number: number, ...trees: ModelTree[]): string | undefined {
  const paths = [...new Set(trees.flatMap((tree) => [...tree.keys()]))].toSorted();
  return paths[number % Math.max(1, paths.length)];
}

export function applyChange(state: ModelState, change: Change): ModelState {
  switch (change.do) {
    case 'write':
      return { ...state, files: placed(state.files, change.path, { content: change.content, kind: change.kind }) };
    case 'delete':
      return { ...state, files: withoutPath(state.files, change.path) };
    case 'rename': {
      const file = state.files.get(change.from);
      if (!file || change.from === change.to) return state;
      return { ...state, files: placed(withoutPath(state.files, change.from), change.to, file) };
    }
    case 'stage': {
      const file = state.files.get(change.path);
      return { ...state, index: file ? placed(state.index, change.path, file) : withoutFile(state.index, change.path) };
    }
    case 'untrack':
      return { ...state, index: withoutFile(state.index, change.path) };
    case 'commit': {
      const index = change.all ? state.files : state.index;
      const head = { message: change.message, tree: index, parent: state.head };
      return atHead({ ...state, index, head }, state.on);
    }
    case 'switch':
      return atHead({ ...state, on: change.to }, change.to);
  }
}

/** As a person would do it in a shell: what stands in the way goes. */
export function commandOf(change: Change, state: ModelState, branchNamed: (name: string) => string): string {
  switch (change.do) {
    case 'write': {
      const path = quotedPath(change.path);
      const text = quoted(change.content);
      const make = change.kind === 'link' ? `ln -s ${text} ${path}` : `printf %s ${text} > ${path}`;
      return `${clearing(change.path)}; ${make}${change.kind === 'program' ? `; chmod 755 ${path}` : ''}`;
    }
    case 'delete':
      return `rm -rf ${quotedPath(change.path)}`;
    case 'rename':
      return `mv ${quotedPath(change.from)} .moving; ${clearing(change.to)}; mv .moving ${quotedPath(change.to)}`;
    case 'stage':
      return `git update-index ${state.files.has(change.path) ? '--add --replace' : '--force-remove'} -- ${quotedPath(change.path)}`;
    case 'untrack':
      return `git update-index --force-remove -- ${quotedPath(change.path)}`;
    case 'commit':
      return `${change.all ? 'git add -A && ' : ''}git commit -q --allow-empty -m ${quoted(change.message)}`;
    case 'switch':
      return `git checkout -q ${change.to === null ? '--detach' : `-B ${quoted(branchNamed(change.to))}`}`;
  }
}

/** `mode blob path` of each file, as git names and sorts them. */
export function listingOf(tree: ModelTree): string[] {
  return [...tree]
    .map(([path, { content, kind }]) => `${modes[kind]} ${blobId(content)} ${path}`)
    .toSorted((a, b) => (a.slice(48) < b.slice(48) ? -1 : 1));
}

const modes = { file: '100644', program: '100755', link: '120000' };

function blobId(content: string): string {
  const bytes = Buffer.from(content);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** Makes a path a file: what lies below it, and files that are its directories, go. */
function placed(tree: ModelTree, path: string, file: ModelFile): ModelTree {
  const kept = [...tree].filter(([other]) => !isBelow(other, path) && !isBelow(path, other) && other !== path);
  return new Map([...kept, [path, file]]);
}

function withoutPath(tree: ModelTree, path: string): ModelTree {
  return new Map([...tree].filter(([other]) => other !== path && !isBelow(other, path)));
}

function withoutFile(tree: ModelTree, path: string): ModelTree {
  return new Map([...tree].filter(([other]) => other !== path));
}

function atHead(state: ModelState, branch: string | null): ModelState {
  return branch === null ? state : { ...state, branches: new Map([...state.branches, [branch, state.head]]) };
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}

function clearing(path: string): string {
  const parents = path.split('/').slice(0, -1);
  const steps = parents.map((_, index) => {
    const parent = quotedPath(parents.slice(0, index + 1).join('/'));
    return `{ [ -d ${parent} ] && [ ! -L ${parent} ]; } || { rm -f ${parent}; mkdir ${parent}; }`;
  });
  return [...steps, `rm -rf ${quotedPath(path)}`].join('; ');
}

/** Never an option. */
function quotedPath(path: string): string {
  return quoted(`./${path}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
