// What the operator decided, as far as it concerns who uses the cluster: defaults, ceilings, images. Paths of the host stay out.

import { z } from '@hono/zod-openapi';
import type { OperatorConfig, OperatorSettings } from '@worktrail/runtime/operator-config';
import type { Api } from './http/api.ts';
import { json } from './http/reply.ts';

const section = z.record(z.string(), z.unknown());

const origin = z.object({
  from: z.enum(['default', 'file', 'environment']),
  variable: z.string().describe('The variable of the environment that says the value, or would.'),
});

const configSchema = z
  .object({
    ...{ defaults: section, ceilings: section, quotas: section, images: section, runner: section },
    ...{
      artifacts: section,
      reconcile: section,
      model: section,
      events: section,
      webhooks: section,
      retention: section,
    },
    origins: z.record(z.string(), origin).describe('Where each value comes from, by its path: "defaults.memoryMb".'),
  })
  .openapi('OperatorConfig');

export function addOperatorConfigRoutes(
  api: Api,
  { operator, origins }: { operator: OperatorConfig; origins: OperatorSettings['origins'] },
): void {
  const { repositoryRoots: _, runner, model, ...sections } = operator;
  const { sshConfig: _path, ...shownRunner } = runner;
  const shown = { ...sections, runner: shownRunner, model: { ...model, url: model.url && withoutSecrets(model.url) } };
  api.route(
    {
      method: 'get',
      path: '/v1/config',
      tag: 'Operation',
      summary: "The operator's effective configuration, without paths of the host",
      action: 'config.read',
      answers: { 200: { description: 'Defaults, ceilings and limits in force', schema: configSchema } },
    },
    async () => json(200, { ...shown, origins }),
  );
}

function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
