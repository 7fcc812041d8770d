// What the operator decided, as far as it concerns who uses the cluster: defaults, ceilings, images. Paths of the host stay out.

import { z } from '@hono/zod-openapi';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Api } from './http/api.ts';
import { json } from './http/reply.ts';

const section = z.record(z.string(), z.unknown());

const configSchema = z
  .object({ defaults: section, ceilings: section, images: section, runner: section, events: section })
  .openapi('OperatorConfig');

export function addOperatorConfigRoutes(api: Api, { operator }: { operator: OperatorConfig }): void {
  const { defaults, ceilings, images, runner, events } = operator;
  api.route(
    {
      method: 'get',
      path: '/v1/config',
      tag: 'Operation',
      summary: "The operator's effective configuration, without paths of the host",
      action: 'config.read',
      answers: { 200: { description: 'Defaults, ceilings and limits in force', schema: configSchema } },
    },
    async () => json(200, { defaults, ceilings, images, runner, events }),
  );
}
