// What retention has done for an organization.

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { TraceService } from '@worktrail/proto/trace';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readRetention } from '../retention/retention-state.ts';
import { checkName, fromClickHouse } from './asked.ts';

export function createRetentionQuestions({
  clickhouse,
}: {
  clickhouse: ClickHouseReader;
}): Pick<ServiceImpl<typeof TraceService>, 'getRetention'> {
  const time = (ms: number | undefined) => (ms === undefined ? undefined : timestampFromMs(ms));
  return {
    getRetention: async ({ organizationId }) => {
      checkName('organization_id', organizationId);
      const states = await fromClickHouse(readRetention(clickhouse, organizationId));
      return {
        kinds: states.map(({ kind, lastRunMs, cutoffMs, removed, oldestMs }) => ({
          ...{ kind, removed: BigInt(removed) },
          ...{ lastRun: time(lastRunMs), cutoff: time(cutoffMs), oldest: time(oldestMs) },
        })),
      };
    },
  };
}
