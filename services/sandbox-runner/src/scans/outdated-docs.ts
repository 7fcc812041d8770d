// Documentation that names what the commit does not have: files and directories by links and by `paths`, and methods of what it does define.
//
// 1. What is not surely of this repository is left alone: other addresses, paths of directories that it does not have, placeholders, names that
//    nothing here defines.
// 2. What tells of the past (change logs, decisions) may name what is gone.
// 3. Two passes: what is named, then whether anything but documentation has it.

import { posix } from 'node:path';
import type { Finding } from '@worktrail/contract/suggestions';
import { oneLine } from '@worktrail/runtime/plain-text';
import { evidenceOf, finding, lineLengthMax, type ScannedFile, whereOf } from './scanned-file.ts';

export interface OutdatedDocs {
  /** Of every file, first. */
  see(file: ScannedFile): void;
  /** Of every file once more, after that. */
  look(file: ScannedFile): void;
  findings(): Finding[];
}

interface Named {
  file: Pick<ScannedFile, 'path' | 'blob'>;
  what: 'link' | 'path' | 'member';
  target: string;
  /** Of a member: where it should be, and its own name. */
  owner: string;
  member: string;
  lines: number[];
}

const namedMax = 50_000;
const ofThePast =
  /(?:^|\/)(?:change(?:s|log)|history|news|releases?|release[-_]notes|upgrad\w*|migrat\w*|adrs?|decisions?|rfcs?|blog|archive)(?:[._/-]|$)/i;
const made = new Set('dist build out target coverage node_modules vendor tmp bin obj'.split(' '));
const placeholder = /[<>{}$*?|]|\.\.\.|example|your|foo\b|bar\b|xxx/i;
const owners = new Set(['class', 'interface', 'struct', 'module', 'enum']);
const pageEndings = ['.md', '.mdx', '.rst', '/index.md', '/README.md'];

/** @param paths all of the commit, as they are shown */
export function createOutdatedDocs(paths: readonly string[]): OutdatedDocs {
  const tree = treeOf(paths);
  const named = new Map<string, Named>();
  const defined = new Set<string>();
  const wanted = new Map<string, boolean>();

  function note(file: ScannedFile, line: number, one: Omit<Named, 'file' | 'lines'>): void {
    const key = JSON.stringify([file.path, one.what, one.target]);
    const before = named.get(key);
    if (before) before.lines.push(line);
    else if (named.size < namedMax) {
      named.set(key, { ...one, file: { path: file.path, blob: file.blob }, lines: [line] });
      if (one.what === 'member') wanted.set(one.member, false);
    }
  }

  return {
    see(file) {
      for (const { kind, name } of file.symbols) if (owners.has(kind)) defined.add(name);
      if (file.language !== 'markdown' || ofThePast.test(file.path)) return;
      for (const [at, line] of proseLines(file.lines)) {
        for (const target of linksIn(line)) {
          const path = linkedPath(file.path, target, tree);
          if (path !== undefined && !hasPage(tree, path)) note(file, at, { what: 'link', target: path, ...noMember });
        }
        for (const code of codeIn(line)) {
          const path = codePath(code);
          if (path !== undefined && isGone(file.path, path, tree))
            note(file, at, { what: 'path', target: path, ...noMember });
          const [, owner, member] = /^([A-Z]\w{2,60})(?:\.|#|::)([A-Za-z_]\w{3,60})(?:\(.{0,80}\))?$/.exec(code) ?? [];
          if (owner !== undefined && member !== undefined)
            note(file, at, { what: 'member', target: `${owner}.${member}`, owner, member });
        }
      }
    },
    look({ language, lines }) {
      if (wanted.size === 0 || language === 'markdown') return;
      for (const line of lines) {
        for (const [word] of line.slice(0, lineLengthMax).matchAll(/[A-Za-z_]\w*/g)) {
          if (wanted.get(word) === false) wanted.set(word, true);
        }
      }
    },
    findings: () =>
      [...named.values()]
        .filter(({ what, owner, member }) => what !== 'member' || (defined.has(owner) && wanted.get(member) === false))
        .map(outdated),
  };
}

const noMember = { owner: '', member: '' };
const words = { link: 'links to', path: 'names', member: 'names' } as const;
const scores = { link: 0.65, path: 0.5, member: 0.55 } as const;

function outdated({ file, what, target, lines }: Named): Finding {
  const evidence = [...new Set(lines)].map((line) =>
    evidenceOf({ ...file, language: null, lines: [], symbols: [] }, line, line),
  );
  const shown = oneLine(target, 200);
  return finding('outdated_docs', `${what} ${target}`, {
    title: `${file.path} ${words[what]} ${shown}, which is not there`,
    description:
      `\`${file.path}\` ${words[what]} \`${shown}\`, and the repository has no such thing. ` +
      `Find out what has become of it, and make the page say what is so now.\n\n` +
      evidence.map((one) => `- ${whereOf(one)}`).join('\n'),
    score: scores[what],
    evidence,
  });
}

interface Tree {
  has: ReadonlySet<string>;
  /** Last parts of paths → how the paths go on before them. */
  byName: ReadonlyMap<string, readonly string[]>;
}

function treeOf(paths: readonly string[]): Tree {
  const has = new Set<string>();
  const byName = new Map<string, string[]>();
  for (const path of paths) {
    has.add(path);
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const directory = path.slice(0, at);
      if (has.has(directory)) break;
      has.add(directory);
    }
    const name = path.slice(path.lastIndexOf('/') + 1);
    const same = byName.get(name);
    if (same) same.push(path);
    else byName.set(name, [path]);
  }
  return { has, byName };
}

/** With their numbers; without fenced code. */
function* proseLines(lines: readonly string[]): Generator<[number, string]> {
  let fence: string | undefined;
  for (const [index, whole] of lines.entries()) {
    const line = whole.slice(0, lineLengthMax);
    const mark = /^\s{0,3}(```|~~~)/.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || fence === mark)) fence = fence === undefined ? mark : undefined;
    else if (fence === undefined) yield [index + 1, line];
  }
}

function linksIn(line: string): string[] {
  return [...line.matchAll(/\]\(<?([^()\s<>]{1,300})>?(?:\s+"[^"]{0,200}")?\)/g)].map(([, target = '']) => target);
}

function codeIn(line: string): string[] {
  return [...line.matchAll(/(?<!`)`([^`]{1,200})`(?!`)/g)].map(([, code = '']) => code.trim());
}

/** Undefined: it leads elsewhere. */
function linkedPath(from: string, target: string, tree: Tree): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:|^\/\/|^#/i.test(target)) return undefined;
  const bare = target.replace(/[#?].*$/, '');
  if (bare === '' || placeholder.test(bare)) return undefined;
  const isAbsolute = bare.startsWith('/');
  const path = posix.normalize(isAbsolute ? bare.slice(1) : posix.join(posix.dirname(from), decoded(bare)));
  const trimmed = path.replace(/\/$/, '');
  if (trimmed === '' || trimmed === '.' || trimmed.startsWith('..')) return undefined;
  // Of a site, perhaps, that is made of these files.
  if (isAbsolute && !tree.has.has(trimmed.split('/')[0]!)) return undefined;
  return trimmed;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function hasPage({ has }: Tree, path: string): boolean {
  const bare = path.replace(/\.html?$/, '');
  return has.has(path) || pageEndings.some((ending) => has.has(`${bare}${ending}`));
}

function codePath(code: string): string | undefined {
  const [, path] =
    /^(?:\.\/)?((?:[\w@.-]{1,80}\/){1,12}[\w@.-]{1,80}\.[A-Za-z]{1,8})(?::\d+(?:-\d+)?)?$/.exec(code) ?? [];
  if (path === undefined || placeholder.test(path) || path.startsWith('../')) return undefined;
  return /(?:^|[._/-])(?:local|sample|secrets?|env)(?:[._/-]|$)/i.test(path) ? undefined : path;
}

/** Neither there, seen from the root or from the page, nor the end of any path; and of a directory that there is. */
function isGone(from: string, path: string, { has, byName }: Tree): boolean {
  const first = path.split('/')[0]!;
  const beside = posix.normalize(posix.join(posix.dirname(from), path));
  if (has.has(path) || has.has(beside) || made.has(first)) return false;
  if (!has.has(first) && !has.has(posix.normalize(posix.join(posix.dirname(from), first)))) return false;
  const name = path.slice(path.lastIndexOf('/') + 1);
  return !(byName.get(name) ?? []).some((one) => one.endsWith(`/${path}`));
}
