// The newest scan of a project: its document, the workflow's own word, and waiting for its end.

import type { KV } from '@nats-io/kv';
import { describeScan, scanWorkflowId } from '@worktrail/contract/scan-messages';
import { type ScanDocument, scanKey } from '@worktrail/contract/suggestions';
import { readDocument } from '@worktrail/runtime/buckets';
import { callTimeoutsMs, within } from '../deadline.ts';
import { type DocumentWait, untilDocument } from '../document-wait.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface ScanReader {
  /** The newest that is known; undefined: there has been none. */
  find(of: ProjectRef): Promise<ScanDocument | undefined>;
  /** As the workflow that has just been started, or found running, tells it. */
  newest(of: ProjectRef): Promise<ScanDocument | undefined>;
  /** Until the document tells of this scan, or the time is over, or the signal says so. */
  untilRecorded(scan: ScanDocument, wait: DocumentWait): Promise<void>;
  /** Until this scan has ended, or the time is over, or the signal says so: the newest that is known then. */
  untilEnded(scan: ScanDocument, wait: DocumentWait): Promise<ScanDocument>;
}

interface ProjectRef {
  organizationId: string;
  projectId: string;
}

export function createScanReader(bucket: KV, workflows: Pick<WorkflowClient, 'query'>): ScanReader {
  const keyOf = ({ organizationId, projectId }: ProjectRef) => scanKey(organizationId, projectId);
  const find = async (of: ProjectRef) =>
    (await within('nats', callTimeoutsMs.nats, () => readDocument<ScanDocument>(bucket, keyOf(of))))?.value;
  return {
    find,
    async newest(of) {
      const described = await workflows.query<ScanDocument>(scanWorkflowId(of.projectId), describeScan, []);
      return described ?? (await find(of));
    },
    async untilRecorded(scan, wait) {
      await untilDocument(bucket, keyOf(scan), scan, ({ version }) => version >= scan.version, wait);
    },
    async untilEnded(scan, wait) {
      if (scan.state !== 'running' || wait.timeoutMs <= 0) return scan;
      const isOver = ({ startedAt, state, version }: ScanDocument) =>
        version > scan.version && (startedAt !== scan.startedAt || state !== 'running');
      return await untilDocument(bucket, keyOf(scan), scan, isOver, wait);
    },
  };
}
