// placeholder
import { Code, ConnectError } from '@connectrpc/connect';
import type { QueryResponse } from '@worktrail/proto/trace';
import type { ClickHouse } from './clickhouse.ts';

export async function answerQuery(
  _clickhouse: ClickHouse,
  _organizationId: string,
  _sql: string,
): Promise<QueryResponse> {
  throw new ConnectError('not yet', Code.Unimplemented);
}
