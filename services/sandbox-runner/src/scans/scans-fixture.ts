// Files as a scan sees them, for tests: text in, with the definitions that the real parser finds.

import { languageOf } from '../context/languages.ts';
import { createSymbolParser } from '../context/symbol-parser.ts';
import { linesOf } from '../context/text-chunks.ts';
import type { CommitFiles } from './scan-commit.ts';
import type { ScannedFile } from './scanned-file.ts';

const parser = createSymbolParser();

export async function scannedFile(path: string, text: string): Promise<ScannedFile> {
  const language = languageOf(path);
  const symbols = await parser.symbolsOf(language, text);
  return { path, blob: 'b'.repeat(40), language, lines: linesOf(text), symbols };
}

export async function commitFiles(contents: Record<string, string>): Promise<CommitFiles> {
  const files = await Promise.all(Object.entries(contents).map(([path, text]) => scannedFile(path, text)));
  return {
    paths: files.map(({ path }) => path),
    forEach: (take, isWanted = () => true) => files.filter(({ path }) => isWanted(path)).forEach((file) => take(file)),
  };
}
