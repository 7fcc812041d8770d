// A repository of source files as large repositories have them: TypeScript, Python, Go and Markdown, with names and words that are as unequally
// frequent as they are in real code. The same each time.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const stems = (
  'session store bundle command runner gateway event cursor stream journal buffer reader writer index search token parse format request response ' +
  'header retry limit queue worker thread lock key value cache entry object commit branch merge diff patch tree blob path file line snippet score ' +
  'symbol query filter match range offset length count total error failure reason signal timer clock lease grant policy approval proposal check ' +
  'trial attempt task project secret credential network proxy container volume image archive checkpoint restore resume hibernate drain place slot'
).split(' ');
const verbs =
  'open close read write make find list get put add remove start stop send take apply build load save check wait run'.split(
    ' ',
  );
const linesOfFunction = 9;

export interface SourceRepository {
  files: { path: string; content: string }[];
  /** Names of functions that are in it. */
  names: string[];
}

export function createSourceRepository(fileCount: number, functionsPerFile = 12): SourceRepository {
  const random = createRandom(7);
  const stem = () => stems[Math.floor(stems.length * random() ** 2)]!;
  const names: string[] = [];
  const files = Array.from({ length: fileCount }, (_, number) => {
    const language = (['ts', 'ts', 'py', 'go', 'md'] as const)[number % 5]!;
    const directory = `${stem()}/${stem()}-${number % 89}`;
    const functions = Array.from({ length: functionsPerFile }, (_unused, index) => {
      const words = [verbs[Math.floor(verbs.length * random())]!, stem(), stem()];
      return {
        words,
        id: `${number}x${index}`,
        body: Array.from({ length: linesOfFunction - 3 }, () => [stem(), stem(), stem()]),
      };
    });
    const content = writers[language](functions);
    for (const { words, id } of functions) names.push(`${camel(words)}${id}`);
    return { path: `${directory}/${stem()}-${number}.${language}`, content };
  });
  return { files, names: names.filter((_, index) => Math.floor(index / functionsPerFile) % 5 < 2) };
}

export async function writeSourceFiles(directory: string, files: SourceRepository['files']): Promise<void> {
  for (const { path, content } of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
}

interface SourceFunction {
  words: string[];
  id: string;
  body: string[][];
}

type Writer = (functions: readonly SourceFunction[]) => string;

const typescript: Writer = (functions) =>
  functions
    .map(({ words, id, body }) => {
      const lines = body.map(
        ([one, two, three]) => `  const ${one}${capital(two!)} = this.${two}.${three}(${one}, '${three} of ${two}');`,
      );
      return `/** To ${words.join(' ')} of a ${body[0]![0]}. */\nexport function ${camel(words)}${id}(${words[1]}: string): void {\n${lines.join('\n')}\n}\n`;
    })
    .join('\n');

const python: Writer = (functions) =>
  functions
    .map(({ words, id, body }) => {
      const lines = body.map(
        ([one, two, three]) => `    ${one}_${two} = self.${two}.${three}(${one}, "${three} of ${two}")`,
      );
      return `def ${words.join('_')}_${id}(${words[1]}):\n    """To ${words.join(' ')}."""\n${lines.join('\n')}\n`;
    })
    .join('\n');

const go: Writer = (functions) =>
  `package source\n\n${functions
    .map(({ words, id, body }) => {
      const lines = body.map(
        ([one, two, three]) => `\t${one}${capital(two!)} := ${two}.${capital(three!)}(${one}, "${three} of ${two}")`,
      );
      return `// To ${words.join(' ')}.\nfunc ${capital(camel(words))}${id}(${words[1]} string) {\n${lines.join('\n')}\n}\n`;
    })
    .join('\n')}`;

const markdown: Writer = (functions) =>
  functions
    .map(
      ({ words, body }) =>
        `## To ${words.join(' ')}\n\n${body.map((line) => `The ${line.join(' ')} is told.`).join('\n')}\n`,
    )
    .join('\n');

const writers = { ts: typescript, py: python, go, md: markdown };

function camel([first = '', ...rest]: readonly string[]): string {
  return first + rest.map(capital).join('');
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
