// The runners' part in scans, by script: a commit that has what a test says.

import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';
import { type ScanActivities, type ScanRepositoryInput, scanTaskQueue } from '@worktrail/contract/scan-messages';
import type { Finding } from '@worktrail/contract/suggestions';

export interface ScriptedScans {
  /** What the commit has, whatever is known of it. */
  findings: Finding[];
  complete: boolean;
  /** `unreachable`: it fails for good. */
  repository: 'there' | 'unreachable';
  readonly asked: ScanRepositoryInput[];
  stop(): Promise<void>;
}

export function sampleFinding(text: string, changes: Partial<Finding> = {}): Finding {
  return {
    ...{ kind: 'todo', fingerprint: `of ${text}`, title: text, description: text, score: 0.5, output: null },
    evidence: [{ path: 'a.ts', firstLine: 1, lastLine: 1, blobId: 'b'.repeat(40) }],
    ...changes,
  };
}

export async function startScriptedScans(connection: NativeConnection): Promise<ScriptedScans> {
  const scans: ScriptedScans = { findings: [], complete: true, repository: 'there', asked: [], stop };
  const activities: ScanActivities = {
    scanRepository: async (input) => {
      scans.asked.push(input);
      if (scans.repository !== 'there') {
        throw ApplicationFailure.nonRetryable('the remote does not answer', 'repository_unreachable');
      }
      const decided = new Set(
        input.known.filter(({ state }) => ['accepted', 'dismissed'].includes(state)).map((one) => one.fingerprint),
      );
      const there = new Set(scans.findings.map(({ fingerprint }) => fingerprint));
      return {
        ...{ commit: `commit-${scans.asked.length}`, complete: scans.complete, left: {} },
        findings: scans.findings.filter(({ fingerprint }) => !decided.has(fingerprint)),
        seen: input.known.filter(({ fingerprint }) => there.has(fingerprint)).map(({ fingerprint }) => fingerprint),
        digest: { files: 1, tree: 'a.ts', readme: null },
      };
    },
    locateEvidence: async ({ claims }) =>
      claims.map((claim) => ({ evidence: { ...claim, blobId: 'b'.repeat(40) }, fingerprint: `within ${claim.path}` })),
  };
  const worker = await Worker.create({ connection, taskQueue: scanTaskQueue, activities, shutdownGraceTime: 100 });
  const running = worker.run();
  async function stop(): Promise<void> {
    worker.shutdown();
    await running;
  }
  return scans;
}
