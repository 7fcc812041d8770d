// Who changed what in the configuration: one record a change, stored before the change is answered.

import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { JetStreamClient } from '@nats-io/jetstream';
import { auditSubject } from '@worktrail/contract/subjects';
import { ActorKind } from '@worktrail/proto/event';
import { AuditRecordSchema } from '@worktrail/proto/trace';
import type { Principal } from './authorize.ts';
import { callTimeoutsMs, within } from './deadline.ts';
import type { Draw } from './draw.ts';

export interface AuditEntry {
  organizationId: string;
  /** "key.created" */
  action: string;
  resourceId: string;
  /** What changed; never a secret. */
  detail: Record<string, unknown>;
}

export interface Audit {
  record(request: { principal: Principal; requestId: string; draw: Draw }, entry: AuditEntry): Promise<void>;
}

export function createAudit(js: JetStreamClient): Audit {
  return {
    async record({ principal, requestId, draw }, entry) {
      const id = draw.id('event');
      const record = create(AuditRecordSchema, {
        id,
        organizationId: entry.organizationId,
        time: timestampFromMs(draw.timeMs),
        actor: { kind: principal.kind === 'operator' ? ActorKind.SYSTEM : ActorKind.USER, id: principal.id },
        action: entry.action,
        resourceId: entry.resourceId,
        requestId,
        detailJson: JSON.stringify(entry.detail),
      });
      // The id is drawn from the request's seed: a request driven again names the same record.
      await within('nats', callTimeoutsMs.nats, () =>
        js.publish(auditSubject(entry.organizationId), toBinary(AuditRecordSchema, record), { msgID: id }),
      );
    },
  };
}
