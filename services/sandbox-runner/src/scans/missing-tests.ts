// Source files that no test names: neither the module by an import, a path or its own name, nor anything that is defined in it.
//
// Two passes: what is defined where, then which of it tests speak of. So memory is that of the names, not of the files.

import type { Finding } from '@worktrail/contract/suggestions';
import { evidenceOf, finding, lineLengthMax, type ScannedFile } from './scanned-file.ts';
import { isTestPath, modulesNamedIn, stemOf, testedStem } from './test-conventions.ts';

export interface MissingTests {
  /** Of every file, first. */
  see(file: ScannedFile): void;
  /** Of every file once more, after that. */
  look(file: ScannedFile): void;
  findings(): Finding[];
}

interface Candidate {
  file: Pick<ScannedFile, 'path' | 'blob'>;
  lines: number;
  functions: number;
  stem: string;
  names: string[];
}

const languages = new Set('typescript tsx javascript python go rust java csharp ruby php'.split(' '));
const linesMin = 30;
const nameLengthMin = 4;
const namesMax = 500_000;
const elsewhere =
  /(?:^|\/)(?:examples?|docs?|scripts?|tools|bench(?:marks?)?|migrations?|generated|gen|\.[^/]+)\/|\.d\.[cm]?ts$|\.config\.[a-z]+$|\.stories\.[a-z]+$/;
const entries = new Set(['index', 'main', '__init__', '__main__', 'mod', 'lib', 'setup', 'manage']);

export function createMissingTests(): MissingTests {
  const candidates: Candidate[] = [];
  const wanted = new Set<string>();
  const named = new Set<string>();
  const modules = new Set<string>();
  return {
    see(file) {
      const candidate = candidateOf(file);
      if (!candidate || wanted.size > namesMax) return;
      candidates.push(candidate);
      for (const name of candidate.names) wanted.add(name);
    },
    look({ path, lines }) {
      if (!isTestPath(path)) return;
      modules.add(testedStem(path));
      for (const line of lines) {
        const text = line.slice(0, lineLengthMax);
        for (const name of modulesNamedIn(text)) modules.add(name);
        for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) if (wanted.has(word)) named.add(word);
      }
    },
    findings: () =>
      candidates.filter(({ stem, names }) => !modules.has(stem) && !names.some((name) => named.has(name))).map(missing),
  };
}

function candidateOf({ path, blob, language, lines, symbols }: ScannedFile): Candidate | undefined {
  if (language === null || !languages.has(language) || lines.length < linesMin) return undefined;
  const stem = stemOf(path);
  if (isTestPath(path) || elsewhere.test(path) || entries.has(stem)) return undefined;
  // Some carry their tests with them.
  if (lines.some((line) => /^\s*(?:#\[cfg\(test\)\]|>>> )/.test(line))) return undefined;
  const functions = symbols.filter(({ kind }) => kind === 'function' || kind === 'method').length;
  if (functions === 0) return undefined;
  const names = symbols.filter(({ name }) => name.length >= nameLengthMin).map(({ name }) => name);
  return { file: { path, blob }, lines: lines.length, functions, stem, names: [...new Set(names)] };
}

function missing({ file, lines, functions }: Candidate): Finding {
  const { path } = file;
  return finding('missing_test', '', {
    title: `No test names ${path}`,
    description:
      `No test of the repository imports \`${path}\`, is named after it, or mentions anything that is defined in it ` +
      `(${functions} ${functions === 1 ? 'function' : 'functions'} in ${lines} lines). ` +
      `Write tests of what it promises, in the way of the tests that are there.`,
    score: 0.3 + Math.min(0.4, lines / 1_000),
    evidence: [evidenceOf({ ...file, language: null, lines: [], symbols: [] }, 1, lines)],
  });
}
