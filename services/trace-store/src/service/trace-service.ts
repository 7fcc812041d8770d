// The questions of trace.proto, answered: check the request, pass the flush barrier, read, put into messages. A file for each group of them.
//
// 1. Every read is of one organization, and says so in its SQL.
// 2. What depends on ClickHouse or NATS and gets no answer from them is UNAVAILABLE, within seconds.

import type { ServiceImpl } from '@connectrpc/connect';
import type { TraceService } from '@worktrail/proto/trace';
import type { FlushBarrier } from '../flush-barrier.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { Totals } from '../totals/totals.ts';
import { readStatus, type StatusDeps } from '../status.ts';
import { fromClickHouse } from './asked.ts';
import { type BackupQuestionsDeps, createBackupQuestions } from './backup-questions.ts';
import { createHistoryQuestions } from './history-questions.ts';
import { createListQuestions } from './list-questions.ts';
import { createOrganizationQuestions } from './organization-questions.ts';
import { createRetentionQuestions } from './retention-questions.ts';
import { createScopes } from './scopes.ts';
import { createTotalsQuestions } from './totals-questions.ts';
import { createWebhookQuestions } from './webhook-questions.ts';

export interface TraceServiceDeps extends StatusDeps, BackupQuestionsDeps {
  barrier: FlushBarrier;
  audit: Ingest;
  querySecondsMax: number;
  totals: Pick<Totals, 'recount'>;
  now: () => Date;
}

export function createTraceService(deps: TraceServiceDeps): ServiceImpl<typeof TraceService> {
  const scopes = createScopes(deps);
  return {
    ...createHistoryQuestions({ ...deps, scopes }),
    ...createListQuestions({ ...deps, scopes }),
    ...createOrganizationQuestions({ ...deps, scopes }),
    ...createTotalsQuestions({ ...deps, scopes }),
    ...createWebhookQuestions({ ...deps, scopes }),
    ...createBackupQuestions(deps),
    ...createRetentionQuestions(deps),
    getStatus: () => fromClickHouse(readStatus(deps)),
  };
}
