// Writes src/gen/api-schemas.ts from docs/openapi.json.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { type Schema, typesOf } from './schema-types.ts';

const document = new URL('../../../docs/openapi.json', import.meta.url);
const target = new URL('../src/gen/api-schemas.ts', import.meta.url);

const { components } = JSON.parse(await readFile(document, 'utf8')) as {
  components: { schemas: Record<string, Schema> };
};
await mkdir(new URL('.', target), { recursive: true });
await writeFile(
  target,
  `// Generated from docs/openapi.json by \`npm run generate\`.\n\n${typesOf(components.schemas)}`,
);
