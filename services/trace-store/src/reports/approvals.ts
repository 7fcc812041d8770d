// What was put up for approval and decided about it: proposals, and permissions that agents ask for. How long it took: see waits.ts.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import { succeeded } from './outcomes.ts';
import type { Report } from './report.ts';

/** `actor`: who has opened, decided, asked, answered. */
const keys = { ...commonKeys, actor: sql`actor_id` };

export const approvals: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) =>
    counted(question, rowsMax, {
      keys,
      columns: sql`countIf(type = 'proposal.opened') AS opened, countIf(type = 'proposal.approved') AS approved,
        countIf(type = 'proposal.rejected') AS rejected, countIf(type = 'proposal.merged') AS merged,
        countIf(type = 'proposal.closed') AS closed, countIf(type = 'proposal.checked' AND NOT ${succeeded}) AS checksFailed,
        countIf(type = 'permission.requested') AS permissionsRequested,
        countIf(type = 'permission.answered' AND outcome = 'allow') AS permissionsAllowed,
        countIf(type = 'permission.answered' AND outcome = 'deny') AS permissionsDenied`,
      from: sql`events_v1 WHERE ${eventsOf(
        question,
        ...([
          'proposal.opened',
          'proposal.checked',
          'proposal.approved',
          'proposal.rejected',
          'proposal.merged',
          'proposal.closed',
          'permission.requested',
          'permission.answered',
        ] as const),
      )}`,
      order: sql`count() DESC`,
    }),
};
