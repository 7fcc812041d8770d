// A backup of what this process has, for whoever makes one of the whole cluster.

import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { TraceService } from '@worktrail/proto/trace';
import { backUp } from '../backup/embedded-backup.ts';
import type { PurgeHold } from '../backup/purge-hold.ts';
import type { ClickHouse } from '../clickhouse/store.ts';
import { checkName } from './asked.ts';

export interface BackupQuestionsDeps {
  clickhouse: ClickHouse;
  purgeHold: PurgeHold;
  /** Of the embedded store; undefined: ClickHouse is a server, which has backups of its own. */
  clickhousePath: string | undefined;
}

export function createBackupQuestions({
  clickhouse,
  purgeHold,
  clickhousePath,
}: BackupQuestionsDeps): Pick<ServiceImpl<typeof TraceService>, 'holdPurges' | 'backup'> {
  return {
    holdPurges: async ({ seconds }) => {
      return { wasHeld: await purgeHold.hold(seconds) };
    },
    backup: async ({ name }) => {
      checkName('name', name);
      if (clickhousePath === undefined) {
        throw new ConnectError('ClickHouse is a server: use its own BACKUP', Code.FailedPrecondition);
      }
      const { eventsBefore, eventsAfter } = await backUp(clickhouse, clickhousePath, name);
      return { eventsBefore: BigInt(eventsBefore), eventsAfter: BigInt(eventsAfter) };
    },
  };
}
