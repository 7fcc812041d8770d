// The API for people: one page without scripts or anything from elsewhere, made from the OpenAPI document.

import type { OpenApiDocument } from './openapi.ts';

interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: unknown }[];
  requestBody?: { content: Record<string, { schema?: unknown }> };
  responses: Record<string, { description?: string; content?: Record<string, { schema?: unknown }> }>;
}

export function docsPage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({ method, path, operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? ''))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => (operation.tags?.[0] ?? '') === tag);
    return `<h2>${escape(tag)}</h2>${own.map(operationHtml).join('')}`;
  });
  const schemas = Object.entries(document.components?.schemas ?? {}).map(
    ([name, schema]) =>
      `<details id="${escape(name)}"><summary><code>${escape(name)}</code></summary>${schemaHtml(schema)}</details>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Worktrail API</title>
<meta name="viewport" content="width=device-width"><style>${style}</style>
<h1>Worktrail API</h1><p>${escape(document.info.description ?? '')} The document itself: <a href="/v1/openapi.json">openapi.json</a>.</p>
${sections.join('\n')}<h2>Schemas</h2>${schemas.join('\n')}</html>`;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px ui-monospace,monospace}pre{overflow:auto;background:#8881;padding:.5rem}
details{border:1px solid #8884;border-radius:4px;margin:.3rem 0;padding:.3rem .6rem}summary b{display:inline-block;min-width:4.5rem}`;

function operationHtml({ method, path, operation }: { method: string; path: string; operation: Operation }): string {
  const parameters = (operation.parameters ?? []).map(
    (parameter) =>
      `<li><code>${escape(parameter.name)}</code> (${escape(parameter.in)}${parameter.required ? ', required' : ''}) ${escape(parameter.description ?? '')}</li>`,
  );
  const body = Object.entries(operation.requestBody?.content ?? {}).map(
    ([type, { schema }]) => `<p>Body: ${escape(type)}</p>${schemaHtml(schema)}`,
  );
  const answers = Object.entries(operation.responses).map(
    ([status, answer]) =>
      `<li>${escape(status)} ${escape(answer.description ?? 'a problem')}${Object.values(answer.content ?? {})
        .map(({ schema }) => schemaHtml(schema))
        .join('')}</li>`,
  );
  return `<details><summary><b>${method.toUpperCase()}</b> <code>${escape(path)}</code> ${escape(operation.summary ?? '')}</summary>
<p>${escape(operation.description ?? '')}</p><ul>${parameters.join('')}</ul>${body.join('')}<p>Answers:</p><ul>${answers.join('')}</ul></details>`;
}

function schemaHtml(schema: unknown): string {
  const reference = (schema as { $ref?: string } | undefined)?.$ref;
  if (reference) {
    const name = reference.split('/').at(-1)!;
    return ` <a href="#${escape(name)}"><code>${escape(name)}</code></a>`;
  }
  return `<pre>${escape(JSON.stringify(schema, null, 2) ?? '')}</pre>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
