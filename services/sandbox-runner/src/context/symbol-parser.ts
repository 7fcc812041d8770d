// Definitions in source files, found by tree-sitter's grammars (WebAssembly, in this thread).
//
// 1. A file is hostile: parsing and looking through the tree are given a time each, and what comes out is bounded. One that takes longer, or
//    breaks the parser, has no symbols; its text is found all the same.
// 2. What a broken or interrupted parser left behind is not used again: the module is loaded anew. After `failedMax` of them there are no
//    more symbols.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FoundSymbol } from './segment-builder.ts';
import type * as treeSitter from '@vscode/tree-sitter-wasm';
import { grammarOf, type Grammar } from './languages.ts';

type TreeSitter = typeof treeSitter;
type Parser = InstanceType<TreeSitter['Parser']>;
type Query = InstanceType<TreeSitter['Query']>;
type Match = ReturnType<Query['matches']>[number];

export interface SymbolParser {
  /** Empty too where there is no grammar for the language. */
  symbolsOf(language: string | null, text: string): Promise<FoundSymbol[]>;
  /** Counts anew: what one repository broke is not the next one's. */
  begin(): void;
  /** Files since then whose symbols could not be found. */
  failed(): number;
}

export const parsedBytesMax = 512 * 1024;
const symbolsMax = 5_000;
const nameLengthMax = 200;
const parseMsMax = 1_000;
const queryMsMax = 500;
const matchesInProgressMax = 1_000;
const failedMax = 200;

const require = createRequire(import.meta.url);
const modulePath = require.resolve('@vscode/tree-sitter-wasm');

interface Loaded {
  module: TreeSitter;
  languages: Map<string, { parser: Parser; query: Query }>;
}

/** @param clock milliseconds; by default those that this thread computes, so that a busy machine costs no symbols */
export function createSymbolParser(clock: () => number = threadCpuMs): SymbolParser {
  let loaded: Promise<Loaded> | undefined;
  let failed = 0;

  async function open({ name, query }: Grammar) {
    loaded ??= load();
    const { module, languages } = await loaded;
    const known = languages.get(name);
    if (known) return known;
    const language = await module.Language.load(readFileSync(join(dirname(modulePath), `tree-sitter-${name}.wasm`)));
    const parser = new module.Parser();
    parser.setLanguage(language);
    const opened = { parser, query: new module.Query(language, query) };
    languages.set(name, opened);
    return opened;
  }

  function find({ parser, query }: { parser: Parser; query: Query }, text: string): FoundSymbol[] | undefined {
    const parseUntil = clock() + parseMsMax;
    const tree = parser.parse(text, null, { progressCallback: () => clock() > parseUntil });
    if (!tree) return undefined;
    const queryUntil = clock() + queryMsMax;
    let isLate = false;
    const matches = query.matches(tree.rootNode, {
      matchLimit: matchesInProgressMax,
      progressCallback: () => (isLate = clock() > queryUntil),
    });
    const symbols = isLate ? undefined : symbolsFrom(matches);
    tree.delete();
    return symbols;
  }

  return {
    begin() {
      failed = 0;
    },
    failed: () => failed,
    async symbolsOf(language, text) {
      const grammar = grammarOf(language);
      if (!grammar || text.length > parsedBytesMax || failed > failedMax) return [];
      const opened = await open(grammar);
      try {
        const symbols = find(opened, text);
        if (symbols) return symbols;
      } catch {
        // It trapped: of the text, whatever it says.
      }
      loaded = undefined;
      failed += 1;
      return [];
    },
  };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** With memory of its own. */
async function load(): Promise<Loaded> {
  delete require.cache[modulePath];
  const module = require('@vscode/tree-sitter-wasm') as TreeSitter;
  await module.Parser.init();
  return { module, languages: new Map() };
}

function symbolsFrom(matches: readonly Match[]): FoundSymbol[] {
  const found = new Map<number, FoundSymbol & { from: number; to: number; pattern: number }>();
  for (const { captures, patternIndex: pattern } of matches) {
    const named = captures.find(({ name }) => name === 'name');
    const defined = captures.find(({ name }) => name !== 'name');
    if (!named || !defined || found.size >= symbolsMax) continue;
    const name = named.node.text.trim();
    if (name === '' || name.length > nameLengthMax || /\s/.test(name)) continue;
    const { startIndex, endIndex, startPosition, endPosition } = defined.node;
    // Of the patterns that find it the first one tells best what it is.
    const before = found.get(named.node.startIndex);
    if (before && before.pattern <= pattern) continue;
    found.set(named.node.startIndex, {
      ...{ name, kind: defined.name, parent: null, from: startIndex, to: endIndex, pattern },
      firstLine: startPosition.row + 1,
      lastLine: Math.max(startPosition.row, endPosition.row - (endPosition.column === 0 ? 1 : 0)) + 1,
    });
  }
  return withParents([...found.values()]);
}

const containers = new Set(['class', 'interface', 'struct', 'module', 'enum', 'implementation']);

/** Each with the innermost container that it lies in. */
function withParents(symbols: (FoundSymbol & { from: number; to: number })[]): FoundSymbol[] {
  const around: (typeof symbols)[number][] = [];
  return symbols
    .toSorted((one, two) => one.from - two.from || two.to - one.to)
    .map((symbol) => {
      while (around.length > 0 && around.at(-1)!.to <= symbol.from) around.pop();
      const parent = around.at(-1)?.name ?? null;
      if (containers.has(symbol.kind)) around.push(symbol);
      const { name, kind, firstLine, lastLine } = symbol;
      return { name, kind, firstLine, lastLine, parent };
    });
}
