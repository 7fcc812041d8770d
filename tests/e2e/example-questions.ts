// The README's example questions: docs/example-questions.sql is where they stand.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface ExampleQuestion {
  title: string;
  sql: string;
}

export const exampleQuestions: readonly ExampleQuestion[] = readFileSync(`${root}/docs/example-questions.sql`, 'utf8')
  .split(/;\n+/)
  .filter((part) => part.trim() !== '')
  .map((part) => {
    const [, title, sql] = /^-- (.*)\n([\s\S]*)$/.exec(part.trim())!;
    return { title: title!, sql: sql! };
  });
