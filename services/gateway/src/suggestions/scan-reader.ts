// The newest scan of a project: its document, the workflow's own word, and waiting for its end.

import type { KV } from '@nats-io/kv';
import { describeScan, scanWorkflowId } from '@worktrail/contract/scan-messages';
import { type ScanDocument, scanKey } from '@worktrail/contract/suggestions';
import { readDocument } from '@worktrail/runtime/buckets';
import { callTimeoutsMs, within } from '../deadline.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface ScanReader {
  /** The newest that is known; undefined: there has been none. */
  find(of: ProjectRef): Promise<ScanDocument | undefined>;
  /** As the workflow that has just been started, or found running, tells it. */
  newest(of: ProjectRef): Promise<ScanDocument | undefined>;
  /** Until the document tells of this scan, or the time is over, or the signal says so. */
  untilRecorded(scan: ScanDocument, wait: ScanWait): Promise<void>;
  /** Until this scan has ended, or the time is over, or the signal says so: the newest that is known then. */
  untilEnded(scan: ScanDocument, wait: ScanWait): Promise<ScanDocument>;
}

export interface ScanWait {
  timeoutMs: number;
  signal: AbortSignal;
}

interface ProjectRef {
  organizationId: string;
  projectId: string;
}

export function createScanReader(bucket: KV, workflows: Pick<WorkflowClient, 'query'>): ScanReader {
  const find = async ({ organizationId, projectId }: ProjectRef) => {
    const key = scanKey(organizationId, projectId);
    return (await within('nats', callTimeoutsMs.nats, () => readDocument<ScanDocument>(bucket, key)))?.value;
  };
  return {
    find,
    async newest(of) {
      const described = await workflows.query<ScanDocument>(scanWorkflowId(of.projectId), describeScan, []);
      return described ?? (await find(of));
    },
    async untilRecorded(scan, wait) {
      await follow(scan, ({ version }) => version >= scan.version, wait);
    },
    async untilEnded(scan, wait) {
      if (scan.state !== 'running' || wait.timeoutMs <= 0) return scan;
      const isOver = ({ startedAt, state, version }: ScanDocument) =>
        version > scan.version && (startedAt !== scan.startedAt || state !== 'running');
      return await follow(scan, isOver, wait);
    },
  };

  /** The first document that is enough, or else the newest. */
  async function follow(
    scan: ScanDocument,
    isEnough: (document: ScanDocument) => boolean,
    { timeoutMs, signal }: ScanWait,
  ): Promise<ScanDocument> {
    const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const key = scanKey(scan.organizationId, scan.projectId);
    const watch = await within('nats', callTimeoutsMs.nats, () => bucket.watch({ key }));
    const stop = () => watch.stop();
    ended.addEventListener('abort', stop, { once: true });
    if (ended.aborted) stop();
    let last = scan;
    try {
      for await (const entry of watch) {
        if (entry.operation !== 'PUT') continue;
        const document = entry.json<ScanDocument>();
        if (document.version > last.version) last = document;
        if (isEnough(document)) break;
      }
    } finally {
      ended.removeEventListener('abort', stop);
      stop();
    }
    return last;
  }
}
