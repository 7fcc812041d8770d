// How much commands have printed.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

export const outputVolume: Report = {
  groups: Object.keys(commonKeys),
  statement: (question, rowsMax) =>
    counted(question, rowsMax, {
      keys: commonKeys,
      // Of a command that has ended `bytes` are all of its output once more.
      columns: sql`sumIf(bytes, type = 'command.output') AS outputBytes, countIf(type = 'command.ended') AS commands`,
      from: sql`events_v1 WHERE ${eventsOf(question, 'command.output', 'command.ended')}`,
      order: sql`outputBytes DESC, commands DESC`,
    }),
};
