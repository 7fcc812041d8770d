// Who may do what, and who did: organizations (made with the operator's token as key), principals, keys, the audit.

import type {
  ApiKey,
  AuditRecord,
  CreateApiKey,
  CreateOrganization,
  CreatePrincipal,
  CreatedOrganization,
  Me,
  NewApiKey,
  Principal,
} from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export function createOrganizations(transport: Transport) {
  return {
    /** Only with the operator's token in place of an API key. */
    create: (body: CreateOrganization, options?: CallOptions) =>
      transport.json<CreatedOrganization>('POST', '/v1/organizations', { body, ...options }),
  };
}

export function createPrincipals(transport: Transport) {
  const list = (query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Principal>>('GET', '/v1/principals', { query: { ...query }, ...options });
  return {
    /** Whose key this client uses. */
    me: (options?: CallOptions) => transport.json<Me>('GET', '/v1/me', options),
    create: (body: CreatePrincipal, options?: CallOptions) =>
      transport.json<Principal>('POST', '/v1/principals', { body, ...options }),
    list,
    all: (options?: CallOptions) => allItems((cursor) => list({ cursor }, options)),
  };
}

export function createKeys(transport: Transport) {
  const list = (query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<ApiKey>>('GET', '/v1/keys', { query: { ...query }, ...options });
  return {
    /** `secret` is the whole key, shown this once. */
    create: (body: CreateApiKey, options?: CallOptions) =>
      transport.json<NewApiKey>('POST', '/v1/keys', { body, ...options }),
    list,
    all: (options?: CallOptions) => allItems((cursor) => list({ cursor }, options)),
    delete: (keyId: string, options?: CallOptions) => transport.send('DELETE', pathOf`/v1/keys/${keyId}`, options),
  };
}

export function createAudit(transport: Transport) {
  const list = (query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<AuditRecord>>('GET', '/v1/audit', { query: { ...query }, ...options });
  return {
    list,
    all: (options?: CallOptions) => allItems((cursor) => list({ cursor }, options)),
  };
}
