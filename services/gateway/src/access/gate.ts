// Who a request comes from: an API key of an organization, or the operator's token.
//
// A key is read from the bucket at every request, so a deleted one is refused at once.

import { WorktrailError } from '@worktrail/contract/errors';
import { isBearer } from '@worktrail/runtime/internal-auth';
import type { Principal } from '../authorize.ts';
import { apiKeyKey } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Gate } from '../http/api.ts';
import { type ApiKeyDocument, isValid, parseAuthorization } from './api-key.ts';

export function createGate(store: Pick<ConfigurationStore, 'read'>, operatorToken: string): Gate {
  return {
    async authenticate(authorization): Promise<Principal> {
      const shown = parseAuthorization(authorization);
      const stored = shown && (await store.read<ApiKeyDocument>(apiKeyKey(shown.keyId)));
      if (!stored || !isValid(stored.value, shown.secret, Date.now())) {
        const detail = authorization
          ? 'the API key is wrong, expired or deleted'
          : 'send Authorization: Bearer wt_<keyId>_<secret>';
        throw new WorktrailError('unauthenticated', detail);
      }
      const key = stored.value;
      return {
        kind: key.principalKind,
        id: key.principalId,
        organizationId: key.organizationId,
        keyId: key.id,
        scopes: key.scopes,
      };
    },
    isOperator: (authorization) => isBearer(authorization, operatorToken),
    authenticateOperator(authorization): Principal {
      if (!isBearer(authorization, operatorToken)) {
        throw new WorktrailError('unauthenticated', "only the operator's token opens this");
      }
      return { kind: 'operator', id: 'operator', organizationId: '', keyId: '', scopes: [] };
    },
  };
}
