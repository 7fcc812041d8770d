// Which models a message may name. Keys are the orchestrator's, and in no configuration that is shown.

import { z } from '@hono/zod-openapi';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';

const modelSchema = z
  .object({
    name: z.string(),
    provider: z.enum(['custom', 'openai', 'anthropic', 'google']).nullable(),
    contextTokens: z.int().nullable(),
    outputTokensMax: z.int().nullable(),
    price: z
      .object({ input: z.number(), cachedInput: z.number(), output: z.number() })
      .nullable()
      .openapi({ description: 'In USD for a million tokens; null: it has none, and costs 0.' }),
    isDefault: z.boolean().openapi({ description: 'Of messages that name none.' }),
  })
  .openapi('Model');

export function addModelRoutes(api: Api, { operator }: { operator: Pick<OperatorConfig, 'model'> }): void {
  const items = modelList(operator.model);
  api.route(
    {
      method: 'get',
      path: '/v1/models',
      tag: 'Turns',
      summary: "The models that the operator has named. Others of a provider go by 'provider/model'",
      action: 'model.read',
      answers: {
        200: { description: 'All of them', schema: z.object({ items: z.array(modelSchema) }).openapi('Models') },
      },
    },
    async () => json(200, { items }),
  );
}

type ModelJson = z.output<typeof modelSchema>;

/** The default first, also where it is named in no other place. */
export function modelList({ models, default: byDefault }: OperatorConfig['model']): ModelJson[] {
  const named = Object.entries(models).map(
    ([name, { provider, contextTokens, outputTokensMax, price }]): ModelJson => ({
      ...{ name, provider, contextTokens, outputTokensMax },
      price: price && { cachedInput: price.input, ...price },
      isDefault: name === byDefault,
    }),
  );
  if (byDefault !== null && !Object.hasOwn(models, byDefault)) {
    const unknown = { contextTokens: null, outputTokensMax: null, price: null };
    named.push({ name: byDefault, ...unknown, provider: providerOf(byDefault), isDefault: true });
  }
  return named.toSorted(
    (one, other) => Number(other.isDefault) - Number(one.isDefault) || (one.name < other.name ? -1 : 1),
  );
}

function providerOf(name: string): ModelJson['provider'] {
  const read = modelSchema.shape.provider.safeParse(name.split('/')[0]);
  return read.success ? read.data : null;
}
