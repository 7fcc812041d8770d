// The content of a file that is to be written: taken by any runner, and stored where each one finds it.
//
// Nothing refers to it until a change does that names it; what none does is removed by the reconciler like any artifact that no document
// names. At most `uploadsMax` are taken at once, each of `fileWriteBytesMax` bytes.

import { open, mkdir, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import { fileWriteBytesMax } from '@worktrail/contract/session-files';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { requireDiskSpace } from '../host/disk-space.ts';
import { answerJson, type RunnerRoute } from './request-router.ts';

const uploadsMax = 16;

export interface ContentRequestDeps {
  dataDirectory: string;
  artifacts: Pick<ArtifactStore, 'put'>;
  diskReserveBytes: number;
}

/** What an earlier process was taking is gone. */
export async function openContentRoutes(deps: ContentRequestDeps): Promise<RunnerRoute[]> {
  const directory = join(deps.dataDirectory, 'uploads');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  let underway = 0;
  return [
    {
      method: 'PUT',
      path: '/internal/v1/sessions/{sessionId}/contents/{changeId}',
      handle: async ({ params, query, request, response, signal }) => {
        const { sessionId = '', changeId = '' } = params;
        const organizationId = query.get('organizationId') ?? '';
        if (!isId(sessionId, 'session') || !isId(changeId, 'event') || !isId(organizationId, 'organization')) {
          throw new WorktrailError('malformed_request', 'malformed id');
        }
        if (underway >= uploadsMax) throw new WorktrailError('rate_limited', `${uploadsMax} files are taken already`);
        underway += 1;
        const path = join(directory, randomBytes(16).toString('hex'));
        try {
          await requireDiskSpace([directory], deps.diskReserveBytes + fileWriteBytesMax);
          await receive(request, path);
          const name = `${organizationId}/${sessionId}/content-${changeId}`;
          answerJson(response, 200, await deps.artifacts.put(name, path, signal));
        } finally {
          underway -= 1;
          await rm(path, { force: true });
        }
      },
    },
  ];
}

async function receive(request: AsyncIterable<Buffer>, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > fileWriteBytesMax)
        throw new WorktrailError('body_too_large', `the file is over ${fileWriteBytesMax} bytes`);
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
}
