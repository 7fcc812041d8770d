// Organizations (by the operator), principals, keys, and who one is.

import { z } from '@hono/zod-openapi';
import { notFound } from '../problem.ts';
import type { Audit } from '../audit.ts';
import { type Scope, scopes } from '../authorize.ts';
import { apiKeyKey, apiKeyList, organizationKey, principalKey, principalList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Draw } from '../draw.ts';
import type { Api } from '../http/api.ts';
import { json, noContent } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import { invalid } from '../problem.ts';
import { id } from '../text.ts';
import { type ApiKeyDocument, formatApiKey, hashSecret } from './api-key.ts';
import {
  createdOrganizationSchema,
  createKeySchema,
  createOrganizationSchema,
  createPrincipalSchema,
  keySchema,
  meSchema,
  newKeySchema,
  type OrganizationDocument,
  type PrincipalDocument,
  principalSchema,
} from './schemas.ts';

const tag = 'Access';

export function addAccessRoutes(api: Api, deps: { store: ConfigurationStore; audit: Audit }): void {
  addOrganizationRoutes(api, deps);
  addPrincipalRoutes(api, deps);
  addKeyRoutes(api, deps);
}

function addOrganizationRoutes(api: Api, { store, audit }: { store: ConfigurationStore; audit: Audit }): void {
  api.route(
    {
      method: 'post',
      path: '/v1/organizations',
      tag,
      summary: 'Make an organization with its first principal and key',
      action: 'operator',
      body: createOrganizationSchema,
      answers: { 201: { description: 'Made', schema: createdOrganizationSchema } },
    },
    async (request) => {
      const { draw, body } = request;
      const createdAt = new Date(draw.timeMs).toISOString();
      const organization: OrganizationDocument = { id: draw.id('organization'), name: body.name, createdAt };
      const principal = newPrincipal(draw, organization.id, body.principal);
      const key = newKey(draw, principal, [...scopes], null);
      await store.create(organizationKey(organization.id), organization);
      await store.create(principalKey(organization.id, principal.id), principal);
      await store.create(apiKeyKey(key.document.id), key.document, [listEntry(key.document)]);
      await audit.record(request, {
        organizationId: organization.id,
        action: 'organization.created',
        resourceId: organization.id,
        detail: { name: organization.name, principalId: principal.id, keyId: key.document.id },
      });
      return json(201, {
        organization,
        principal: shownPrincipal(principal),
        key: { ...shownKey(key.document), secret: key.secret },
      });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/me',
      tag,
      summary: 'Who the key belongs to',
      action: 'me.read',
      answers: { 200: { description: 'Organization, principal and scopes of the key', schema: meSchema } },
    },
    async ({ principal }) => {
      const [organization, self] = await Promise.all([
        store.read<OrganizationDocument>(organizationKey(principal.organizationId)),
        store.read<PrincipalDocument>(principalKey(principal.organizationId, principal.id)),
      ]);
      if (!organization || !self) throw notFound('the organization or principal of the key');
      return json(200, {
        organization: organization.value,
        principal: shownPrincipal(self.value),
        key: { id: principal.keyId },
        scopes: principal.scopes,
      });
    },
  );
}

function addPrincipalRoutes(api: Api, { store, audit }: { store: ConfigurationStore; audit: Audit }): void {
  api.route(
    {
      method: 'post',
      path: '/v1/principals',
      tag,
      summary: 'Make a principal',
      action: 'principal.create',
      body: createPrincipalSchema,
      answers: { 201: { description: 'Made', schema: principalSchema } },
    },
    async (request) => {
      const { organizationId } = request.principal;
      const principal = newPrincipal(request.draw, organizationId, request.body);
      const stored = await store.create(principalKey(organizationId, principal.id), principal);
      await audit.record(request, {
        organizationId,
        action: 'principal.created',
        resourceId: principal.id,
        detail: { name: principal.name, kind: principal.kind },
      });
      return json(201, shownPrincipal(stored.value));
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/principals',
      tag,
      summary: 'The principals of the organization, newest first',
      action: 'principal.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(principalSchema) } },
    },
    async ({ principal, query }) => {
      const list = principalList(principal.organizationId);
      const after = cursorId(query.cursor, 'principal');
      const page = await store.page<PrincipalDocument>(list, (key) => `${list}.${key}`, { limit: query.limit, after });
      return json(200, { ...page, items: page.items.map(({ value }) => shownPrincipal(value)) });
    },
  );
}

function addKeyRoutes(api: Api, { store, audit }: { store: ConfigurationStore; audit: Audit }): void {
  api.route(
    {
      method: 'post',
      path: '/v1/keys',
      tag,
      summary: 'Make a key of a principal',
      action: 'key.create',
      body: createKeySchema,
      answers: { 201: { description: 'Made; its secret is shown this once', schema: newKeySchema } },
    },
    async (request) => {
      const { body, draw } = request;
      const { organizationId } = request.principal;
      const owner = await store.read<PrincipalDocument>(principalKey(organizationId, body.principalId));
      if (!owner) throw invalid({ path: 'principalId', message: 'is no principal of this organization' });
      const expiresAt = body.expiresAt === undefined ? null : new Date(body.expiresAt).toISOString();
      if (expiresAt !== null && Date.parse(expiresAt) <= draw.timeMs) {
        throw invalid({ path: 'expiresAt', message: 'has passed' });
      }
      const { document, secret } = newKey(draw, owner.value, body.scopes, expiresAt);
      await store.create(apiKeyKey(document.id), document, [listEntry(document)]);
      await audit.record(request, {
        organizationId,
        action: 'key.created',
        resourceId: document.id,
        detail: { principalId: document.principalId, scopes: document.scopes, expiresAt },
      });
      return json(201, { ...shownKey(document), secret });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/keys',
      tag,
      summary: 'The keys of the organization, newest first, without their secrets',
      action: 'key.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(keySchema) } },
    },
    async ({ principal, query }) => {
      const after = cursorId(query.cursor, 'key');
      const list = apiKeyList(principal.organizationId);
      const page = await store.page<ApiKeyDocument>(list, apiKeyKey, { limit: query.limit, after });
      return json(200, { ...page, items: page.items.map(({ value }) => shownKey(value)) });
    },
  );
  api.route(
    {
      method: 'delete',
      path: '/v1/keys/{keyId}',
      tag,
      summary: 'Delete a key: it is refused at once',
      action: 'key.delete',
      params: z.object({ keyId: id('key') }),
      answers: { 204: { description: 'Deleted' } },
    },
    async (request) => {
      const { keyId } = request.params;
      const { organizationId } = request.principal;
      const stored = await store.read<ApiKeyDocument>(apiKeyKey(keyId));
      if (!stored || stored.value.organizationId !== organizationId) throw notFound(keyId);
      await store.remove(apiKeyKey(keyId));
      await store.remove(listEntry(stored.value));
      await audit.record(request, { organizationId, action: 'key.deleted', resourceId: keyId, detail: {} });
      return noContent;
    },
  );
}

function newPrincipal(
  draw: Draw,
  organizationId: string,
  input: { name: string; kind: 'user' | 'service' },
): PrincipalDocument {
  return { id: draw.id('principal'), organizationId, ...input, createdAt: new Date(draw.timeMs).toISOString() };
}

function newKey(
  draw: Draw,
  owner: PrincipalDocument,
  granted: Scope[],
  expiresAt: string | null,
): { document: ApiKeyDocument; secret: string } {
  const keyId = draw.id('key');
  const secret = draw.bytes(`secret of ${keyId}`);
  const document: ApiKeyDocument = {
    id: keyId,
    organizationId: owner.organizationId,
    principalId: owner.id,
    principalKind: owner.kind,
    scopes: granted,
    sha256: hashSecret(secret),
    createdAt: new Date(draw.timeMs).toISOString(),
    expiresAt,
  };
  return { document, secret: formatApiKey(keyId, secret) };
}

function listEntry(document: ApiKeyDocument): string {
  return `${apiKeyList(document.organizationId)}.${document.id}`;
}

function shownPrincipal({ id: principalId, name, kind, createdAt }: PrincipalDocument) {
  return { id: principalId, name, kind, createdAt };
}

function shownKey({ id: keyId, principalId, scopes: granted, createdAt, expiresAt }: ApiKeyDocument) {
  return { id: keyId, principalId, scopes: granted, createdAt, expiresAt };
}
