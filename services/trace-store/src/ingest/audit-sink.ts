// The audit stream into ClickHouse.

import { fromBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type AuditRecord, AuditRecordSchema } from '@worktrail/proto/trace';
import type { ClickHouse } from '../clickhouse/store.ts';
import { actorKindName, base64 } from './event-row.ts';
import { createFence, type StoringRight } from './ingest-lease.ts';
import type { Sink } from './ingest.ts';
import { isStorableTime } from './parse-event.ts';
import { type StreamMessage, UnstorableMessage } from './stream-message.ts';
import { dateTimeText } from '../clickhouse/sql-text.ts';

const columns = [
  'organization_id',
  'audit_id',
  'epoch',
  'sequence',
  'time',
  'actor_kind',
  'actor_id',
  'action',
  'resource_id',
  'message_base64',
  'ingested_at',
] as const;

export function createAuditSink(clickhouse: ClickHouse, right: StoringRight, now: () => Date): Sink {
  const fence = createFence(right);
  return {
    storedPosition: async () => {
      fence.begin();
      const [row] = await clickhouse.rows<{ epoch: string; sequence: string }>(
        'SELECT epoch, max(sequence) AS sequence FROM audit_v1 GROUP BY epoch ORDER BY epoch DESC LIMIT 1',
      );
      return row && { epoch: Number(row.epoch), sequence: Number(row.sequence) };
    },
    begin: (epoch) => {
      const ingestedAt = now();
      const rows: object[] = [];
      const unstorable: { message: StreamMessage; reason: string }[] = [];
      return {
        add: async (messages) => {
          for (const message of messages) {
            try {
              rows.push(auditRow(message, epoch, ingestedAt));
            } catch (error) {
              unstorable.push({ message, reason: (error as Error).message });
            }
          }
        },
        store: async () => {
          fence.check();
          await clickhouse.insert('audit_v1', columns, rows);
          return { rows: rows.length, duplicates: 0, holes: [], unstorable };
        },
      };
    },
  };
}

function auditRow(message: StreamMessage, epoch: number, ingestedAt: Date): object {
  const record = decode(message.data);
  if (message.subject.split('.')[2] !== record.organizationId) {
    throw new UnstorableMessage('the organization is not the one in the subject');
  }
  if (record.id === '' || !record.time) throw new UnstorableMessage('the record has no id or no time');
  const time = timestampDate(record.time);
  if (!isStorableTime(time)) throw new UnstorableMessage('the time is out of range');
  return {
    organization_id: record.organizationId,
    audit_id: record.id,
    epoch,
    sequence: message.sequence,
    time: dateTimeText(time),
    actor_kind: actorKindName(record.actor?.kind),
    actor_id: record.actor?.id ?? '',
    action: record.action,
    resource_id: record.resourceId,
    message_base64: base64(message.data),
    ingested_at: dateTimeText(ingestedAt),
  };
}

function decode(data: Uint8Array): AuditRecord {
  try {
    return fromBinary(AuditRecordSchema, data);
  } catch (error) {
    throw new UnstorableMessage(`not a protobuf AuditRecord: ${(error as Error).message}`);
  }
}
