// Lists of what there is: sessions, commands, turns, audit records; and one of them, or their sum.

import type { ServiceImpl } from '@connectrpc/connect';
import { limits } from '@worktrail/contract/limits';
import type { TraceService } from '@worktrail/proto/trace';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { listCommandIds, readCommands } from '../history/commands.ts';
import type { FlushBarrier } from '../flush-barrier.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { listAuditRecords, listSessionIds } from '../history/sessions.ts';
import { listTurns, sumTurns } from '../history/turns.ts';
import { bounded, checkName, fromClickHouse } from './asked.ts';
import type { Scopes } from './scopes.ts';

export interface ListQuestionsDeps {
  clickhouse: ClickHouseReader;
  barrier: Pick<FlushBarrier, 'pass'>;
  audit: Ingest;
  scopes: Scopes;
}

type ListQuestions = Pick<
  ServiceImpl<typeof TraceService>,
  'getCommand' | 'listCommands' | 'listTurns' | 'sumTurns' | 'listSessions' | 'listAudit'
>;

export function createListQuestions({ clickhouse, barrier, audit, scopes }: ListQuestionsDeps): ListQuestions {
  return {
    getCommand: async (request) => {
      checkName('command_id', request.commandId);
      const { scope } = await scopes.passSession(request.scope);
      const [command] = await fromClickHouse(
        readCommands(clickhouse, scope.organizationId, scope.sessionId, [request.commandId]),
      );
      return { command };
    },

    listCommands: async (request) => {
      const { scope } = await scopes.passSession(request.scope);
      const limit = bounded(request.limit, limits.pageDefault);
      const { organizationId, sessionId } = scope;
      const read = async () => {
        const ids = await listCommandIds(clickhouse, organizationId, sessionId, request.afterCommandId, limit + 1);
        return { ids, commands: await readCommands(clickhouse, organizationId, sessionId, ids.slice(0, limit)) };
      };
      const { ids, commands } = await fromClickHouse(read());
      return { commands, more: ids.length > limit };
    },

    listTurns: async (request) => {
      const { scope } = await scopes.passSession(request.scope);
      const limit = bounded(request.limit, limits.pageDefault);
      const { organizationId, sessionId } = scope;
      const { afterTurnId, turnId } = request;
      const turns = await fromClickHouse(
        listTurns(clickhouse, { organizationId, sessionId, afterTurnId, turnId, limit: limit + 1 }),
      );
      return { turns: turns.slice(0, limit), more: turns.length > limit };
    },

    sumTurns: async (request) => {
      const { scope } = await scopes.passSession(request.scope);
      return await fromClickHouse(sumTurns(clickhouse, scope));
    },

    listSessions: async (request) => {
      await scopes.passOrganization(request.organizationId);
      const limit = bounded(request.limit, limits.pageDefault);
      const ids = await fromClickHouse(listSessionIds(clickhouse, request, limit + 1));
      return { sessionIds: ids.slice(0, limit), more: ids.length > limit };
    },

    listAudit: async (request) => {
      checkName('organization_id', request.organizationId);
      await barrier.pass(audit, `worktrail.audit.${request.organizationId}`);
      const limit = bounded(request.limit, limits.pageDefault);
      const records = await fromClickHouse(
        listAuditRecords(clickhouse, request.organizationId, request.beforeId, limit + 1),
      );
      return { records: records.slice(0, limit), more: records.length > limit };
    },
  };
}
