// Who changed what, newest first.

import { timestampDate } from '@bufbuild/protobuf/wkt';
import { z } from '@hono/zod-openapi';
import { ActorKind } from '@worktrail/proto/event';
import type { AuditRecord } from '@worktrail/proto/trace';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import { askTraceStore } from '../trace-store.ts';
import { auditRecordSchema } from './schemas.ts';

export function addAuditRoutes(api: Api, { trace }: { trace: Pick<TraceClient, 'listAudit'> }): void {
  api.route(
    {
      method: 'get',
      path: '/v1/audit',
      tag: 'Access',
      summary: 'Changes of the configuration, newest first',
      action: 'audit.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(auditRecordSchema) } },
    },
    async ({ principal, query }) => {
      const beforeId = cursorId(query.cursor, 'event') ?? '';
      const { records, more } = await askTraceStore(() =>
        trace.listAudit({ organizationId: principal.organizationId, limit: query.limit, beforeId }),
      );
      return json(200, { items: records.map(shown), nextCursor: more ? (records.at(-1)?.id ?? null) : null });
    },
  );
}

function shown(record: AuditRecord) {
  return {
    id: record.id,
    time: record.time ? timestampDate(record.time).toISOString() : null,
    actor: { kind: record.actor?.kind === ActorKind.SYSTEM ? 'system' : 'user', id: record.actor?.id ?? '' },
    action: record.action,
    resourceId: record.resourceId,
    requestId: record.requestId,
    detail: JSON.parse(record.detailJson || '{}') as Record<string, unknown>,
  };
}
