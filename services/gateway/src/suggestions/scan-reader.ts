// The newest scan of a project: its document, and waiting for the next one or for its end.
//
// The workflow itself is not asked: Temporal lets questions wait for seconds that come at once to a workflow that has only just begun, and
// until then that scan may be over.

import type { KV } from '@nats-io/kv';
import { type ScanDocument, scanKey } from '@worktrail/contract/suggestions';
import { readDocument } from '@worktrail/runtime/buckets';
import { callTimeoutsMs, within } from '../deadline.ts';
import { type DocumentWait, untilDocument } from '../document-wait.ts';

export interface ScanReader {
  /** The newest that is known; undefined: there has been none. */
  find(of: ProjectRef): Promise<ScanDocument | undefined>;
  /** Until one is recorded that began after the one that is known, or the time is over, or the signal says so: the newest that is known then. */
  untilAnother(of: ProjectRef, known: ScanDocument | undefined, wait: DocumentWait): Promise<ScanDocument | undefined>;
  /** Until this scan has ended, or the time is over, or the signal says so: the newest that is known then. */
  untilEnded(scan: ScanDocument, wait: DocumentWait): Promise<ScanDocument>;
}

interface ProjectRef {
  organizationId: string;
  projectId: string;
}

export function createScanReader(bucket: KV): ScanReader {
  const keyOf = ({ organizationId, projectId }: ProjectRef) => scanKey(organizationId, projectId);
  return {
    async find(of) {
      const stored = await within('nats', callTimeoutsMs.nats, () => readDocument<ScanDocument>(bucket, keyOf(of)));
      return stored?.value;
    },
    async untilAnother(of, known, wait) {
      const isAnother = ({ startedAt }: ScanDocument) => startedAt !== known?.startedAt;
      return await untilDocument<ScanDocument, ScanDocument | undefined>(bucket, keyOf(of), known, isAnother, wait);
    },
    async untilEnded(scan, wait) {
      if (scan.state !== 'running' || wait.timeoutMs <= 0) return scan;
      const isOver = ({ startedAt, state, version }: ScanDocument) =>
        version > scan.version && (startedAt !== scan.startedAt || state !== 'running');
      return await untilDocument(bucket, keyOf(scan), scan, isOver, wait);
    },
  };
}
