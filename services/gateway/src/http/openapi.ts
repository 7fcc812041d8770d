// The OpenAPI 3.1 document, from the schemas that requests are checked with; and the page that shows it to people.

import type { OpenAPIHono } from '@hono/zod-openapi';
import { errorKinds } from '@worktrail/contract/errors';

export type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

export function openApiDocument(app: OpenAPIHono): OpenApiDocument {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Worktrail',
      version: '1',
      description: 'Persistent, branch-scoped workspaces in which agents, scripts and people change a git repository.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  });
  const components = document.components ?? {};
  return {
    ...document,
    components: {
      ...components,
      schemas: { ...components.schemas, Problem: problemSchema as never },
      responses: { Problem: problemAnswer as never },
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'wt_<keyId>_<secret>' },
        password: { type: 'http', scheme: 'basic', description: 'Any user name, the key as password' },
        operatorToken: { type: 'http', scheme: 'bearer', description: "The operator's token" },
      },
    },
  };
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457',
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(errorKinds) },
    instance: { type: 'string', description: 'The id of the request.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { path: { type: 'string' }, message: { type: 'string' } },
        required: ['path', 'message'],
      },
    },
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'instance'],
};

const problemAnswer = {
  description: 'What went wrong, by code; Retry-After where trying again can help',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};
