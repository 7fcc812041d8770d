// How long the organization's history is kept.

import type { PutRetention, Retention } from '../gen/api-schemas.ts';
import type { Transport } from '../transport.ts';
import type { CallOptions } from './call.ts';

export function createRetention(transport: Transport) {
  return {
    get: (options?: CallOptions) => transport.json<Retention>('GET', '/v1/retention', options),
    /** What is older than it says goes within an hour, for good. */
    put: (body: PutRetention, options?: CallOptions) =>
      transport.json<Retention>('PUT', '/v1/retention', { body, ...options }),
  };
}
