// Scans of a test's project: started and read as the gateway does it.

import type { WorkflowHandle } from '@temporalio/client';
import { newId } from '@worktrail/contract/ids';
import { type ScanSpec, scanWorkflow, scanWorkflowId } from '@worktrail/contract/scan-messages';
import { workflowTaskQueue } from '@worktrail/contract/session-messages';
import { projectKey } from '@worktrail/contract/subjects';
import {
  type ScanDocument,
  scanKey,
  type SuggestionDocument,
  suggestionKey,
  suggestionList,
} from '@worktrail/contract/suggestions';
import { readDocument } from '@worktrail/runtime/buckets';
import type { OrchestratorBed } from './orchestrator-bed.ts';
import { sampleSession } from './samples.ts';

export interface ScannedProject {
  spec: ScanSpec;
  start(changes?: Partial<ScanSpec>): Promise<WorkflowHandle>;
  /** A scan from its beginning to its end; the document as it is then. */
  scan(changes?: Partial<ScanSpec>): Promise<ScanDocument>;
  document(): Promise<ScanDocument | undefined>;
  /** By title. */
  suggestions(): Promise<Record<string, SuggestionDocument>>;
  decide(title: string, state: 'dismissed' | 'accepted'): Promise<void>;
  delete(): Promise<void>;
}

export async function makeScannedProject(bed: OrchestratorBed): Promise<ScannedProject> {
  const checkSession = sampleSession();
  const { organizationId, projectId, repository } = checkSession;
  const spec: ScanSpec = { organizationId, projectId, repository, checks: [], checkSession, model: null };
  const bucket = bed.configuration;
  await bucket.put(projectKey(organizationId, projectId), JSON.stringify({ id: projectId }));
  const start = (changes: Partial<ScanSpec> = {}) =>
    bed.client.workflow.start(scanWorkflow, {
      workflowId: scanWorkflowId(projectId),
      taskQueue: workflowTaskQueue,
      args: [{ ...spec, checkSession: { ...checkSession, sessionId: newId('session') }, ...changes }],
    });
  const document = async () => (await readDocument<ScanDocument>(bucket, scanKey(organizationId, projectId)))?.value;
  const suggestions = async () => {
    const found: Record<string, SuggestionDocument> = {};
    for await (const key of await bucket.keys(`${suggestionList(projectId)}.*`)) {
      const id = key.split('.').at(-1)!;
      const stored = await readDocument<SuggestionDocument>(bucket, suggestionKey(organizationId, id));
      found[stored!.value.title] = stored!.value;
    }
    return found;
  };
  return {
    ...{ spec, start, document, suggestions },
    async scan(changes) {
      await (await start(changes)).result();
      return (await document())!;
    },
    async decide(title, state) {
      const one = (await suggestions())[title]!;
      await bucket.put(suggestionKey(organizationId, one.id), JSON.stringify({ ...one, state }));
    },
    delete: () => bucket.delete(projectKey(organizationId, projectId)),
  };
}
