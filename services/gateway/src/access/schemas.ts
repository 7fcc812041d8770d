// The JSON of organizations, principals and keys.

import { z } from '@hono/zod-openapi';
import { scopes } from '../authorize.ts';
import { id, name, time } from '../text.ts';

const principalKind = z.enum(['user', 'service']);

export const organizationSchema = z
  .object({ id: id('organization'), name: z.string(), createdAt: time })
  .openapi('Organization');

export const principalSchema = z
  .object({ id: id('principal'), name: z.string(), kind: principalKind, createdAt: time })
  .openapi('Principal');

export const keySchema = z
  .object({
    id: id('key'),
    principalId: id('principal'),
    scopes: z.array(z.enum(scopes)),
    createdAt: time,
    expiresAt: time.nullable(),
  })
  .openapi('ApiKey');

export const newKeySchema = keySchema
  .extend({ secret: z.string().openapi({ description: 'The whole key, shown this once: wt_<keyId>_<secret>.' }) })
  .openapi('NewApiKey');

export const createPrincipalSchema = z.strictObject({ name, kind: principalKind }).openapi('CreatePrincipal');

export const createOrganizationSchema = z
  .strictObject({ name, principal: createPrincipalSchema })
  .openapi('CreateOrganization');

export const createdOrganizationSchema = z
  .object({ organization: organizationSchema, principal: principalSchema, key: newKeySchema })
  .openapi('CreatedOrganization');

export const createKeySchema = z
  .strictObject({
    principalId: id('principal'),
    scopes: z
      .array(z.enum(scopes))
      .min(1)
      .max(scopes.length)
      .refine((list) => new Set(list).size === list.length, 'names a scope twice'),
    expiresAt: z.iso
      .datetime({ offset: true })
      .optional()
      .openapi({ description: 'When the key ends to work; without it, when it is deleted.' }),
  })
  .openapi('CreateApiKey');

export const meSchema = z
  .object({
    organization: organizationSchema,
    principal: principalSchema,
    key: z.object({ id: id('key') }),
    scopes: z.array(z.enum(scopes)),
  })
  .openapi('Me');

export const auditRecordSchema = z
  .object({
    id: id('event'),
    time,
    actor: z.object({ kind: z.enum(['user', 'agent', 'system']), id: z.string() }),
    action: z.string().openapi({ example: 'key.created' }),
    resourceId: z.string(),
    requestId: z.string(),
    detail: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditRecord');

export interface OrganizationDocument {
  id: string;
  name: string;
  createdAt: string;
}

export interface PrincipalDocument {
  id: string;
  organizationId: string;
  name: string;
  kind: 'user' | 'service';
  createdAt: string;
}
