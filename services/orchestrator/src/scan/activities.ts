// What a scan does that needs no sandbox and no repository.

import type { KV } from '@nats-io/kv';
import { Context } from '@temporalio/activity';
import type { KnownFinding } from '@worktrail/contract/scan-messages';
import type { ScanDocument } from '@worktrail/contract/suggestions';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { beating } from '../record-activities.ts';
import { forgetAnswer } from './stored-answer.ts';
import { type CheckFinding, type CheckFindingInput, findFailingCheck } from './check-finding.ts';
import {
  type ProjectRef,
  readKnownFindings,
  storeFindings,
  type StoredFindings,
  type StoreFindingsInput,
  writeScan,
} from './suggestion-store.ts';

export interface ScanRecordActivities {
  recordScan(document: ScanDocument): Promise<void>;
  readKnownFindings(of: ProjectRef): Promise<KnownFinding[]>;
  findFailingCheck(input: CheckFindingInput): Promise<CheckFinding>;
  storeFindings(input: StoreFindingsInput): Promise<StoredFindings>;
}

export interface ScanRecordDeps {
  configuration: KV;
  trace: Pick<TraceClient, 'readOutput'>;
}

export function createScanRecordActivities({ configuration, trace }: ScanRecordDeps): ScanRecordActivities {
  return {
    recordScan: beating(async (document) => {
      if (document.state !== 'running') await forgetAnswer(configuration, document);
      await writeScan(configuration, document);
    }),
    readKnownFindings: beating((of) => readKnownFindings(configuration, of)),
    findFailingCheck: beating((input) => findFailingCheck(trace, input, Context.current().cancellationSignal)),
    storeFindings: beating((input) => storeFindings(configuration, input)),
  };
}
