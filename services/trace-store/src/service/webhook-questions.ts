// What webhooks are told of: events as they are stored, by type.

import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { eventCase, type EventType } from '@worktrail/contract/event-types';
import type { TraceService } from '@worktrail/proto/trace';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { matchEvents, type PartitionPosition } from '../history/matching-events.ts';
import { bounded, checkName, cursorMessage, cursorOf, fromClickHouse, invalid, storableDate } from './asked.ts';
import type { Scopes } from './scopes.ts';

const matchesDefault = 100;

export interface WebhookQuestionsDeps {
  clickhouse: ClickHouseReader;
  scopes: Pick<Scopes, 'passOrganization'>;
  /** By partition. */
  ingests: readonly Pick<Ingest, 'position'>[];
  now: () => Date;
}

export function createWebhookQuestions({
  clickhouse,
  scopes,
  ingests,
  now,
}: WebhookQuestionsDeps): Pick<ServiceImpl<typeof TraceService>, 'matchEvents'> {
  return {
    matchEvents: async ({ organizationId, projectId, types, after, limit }) => {
      checkName('organization_id', organizationId);
      if (projectId !== '') checkName('project_id', projectId);
      if (types.length === 0) throw invalid('types: at least one has to be named');
      const unknown = types.find((type) => eventCase(type) === undefined);
      if (unknown !== undefined) throw invalid(`types: "${unknown.slice(0, 100)}" is no event type`);
      // The present is behind all that was published when it was asked for.
      if (after.length === 0) await scopes.passOrganization(organizationId);
      const timeMs = now().getTime();
      // Of a partition whose position is not known at the moment nothing is looked at, and it stays where it was.
      const stored = ingests.flatMap((ingest, partition): PartitionPosition[] => {
        const position = ingest.position();
        return position ? [{ partition, stored: position, timeMs }] : [];
      });
      const given = after.map((one) => ({
        partition: one.partition,
        stored: cursorOf(one.stored),
        timeMs: one.time ? storableDate('after.time', timestampDate(one.time)).getTime() : 0,
      }));
      // It has no place to begin at.
      const known = [...stored, ...given].map(({ partition }) => partition);
      const missing = ingests.findIndex((_, partition) => !known.includes(partition));
      if (missing >= 0) throw new ConnectError(`it is not known how far partition ${missing} is`, Code.Unavailable);
      const { events, next } = await fromClickHouse(
        matchEvents(clickhouse, {
          ...{ organizationId, projectId, stored, after: given },
          types: types as EventType[],
          rowsMax: bounded(limit, matchesDefault),
        }),
      );
      const unseen = given.filter(({ partition }) => !next.some((one) => one.partition === partition));
      return {
        events: events.map(({ partition, sessionId, cursor, eventId, type }) => ({
          scope: { organizationId, sessionId, partition },
          cursor: cursorMessage(cursor),
          ...{ eventId, type },
        })),
        next: [...next, ...unseen].map((one) => ({
          partition: one.partition,
          stored: cursorMessage(one.stored),
          time: timestampFromMs(one.timeMs),
        })),
      };
    },
  };
}
