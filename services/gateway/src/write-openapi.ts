// Writes docs/openapi.json from the routes (or, with --check, says whether it is up to date). Connects to nothing.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createMetrics } from '@worktrail/runtime/metrics';
import { createLogger } from '@worktrail/runtime/log';
import { operatorSettings } from '@worktrail/runtime/operator-config';
import { createReadiness } from '@worktrail/runtime/readiness';
import { createGatewayApp, type GatewayAppDeps } from './gateway-app.ts';
import { createHttpMetrics } from './http/http-metrics.ts';
import { openApiDocument } from './http/openapi.ts';

const path = fileURLToPath(new URL('../../../docs/openapi.json', import.meta.url));

/** Routes are described without being called: no part is ever used. */
function describedApp() {
  const registry = createMetrics('gateway');
  return createGatewayApp({
    settings: {
      operator: operatorSettings('', 'defaults', {}).values,
      origins: {},
      partitions: 1,
      operatorToken: '',
      roots: { allowed: [], stateDirectory: undefined, ssh: true },
    },
    parts: {} as GatewayAppDeps['parts'],
    health: { readiness: createReadiness(), metrics: registry },
    httpMetrics: createHttpMetrics(registry),
    stopping: new AbortController().signal,
    log: createLogger({ service: 'gateway', level: 'silent' }),
  });
}

const text = `${JSON.stringify(sorted(openApiDocument(describedApp())), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
} else if ((await readFile(path, 'utf8').catch(() => '')) !== text) {
  console.error(`${path} is not what the routes say: run npm run openapi -w services/gateway`);
  process.exitCode = 1;
}

/** Keys of paths and components in order, so that the order of the code does not show. */
function sorted<T>(document: T): T {
  const { paths, components, ...rest } = document as Record<string, Record<string, unknown>>;
  const byKey = (object: Record<string, unknown> = {}) =>
    Object.fromEntries(Object.entries(object).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const parts = byKey(components) as Record<string, Record<string, unknown>>;
  const named = Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, byKey(part)]));
  return { ...rest, paths: byKey(paths), components: named } as T;
}
