// What differs between two states of a session's files: the list, and the patch.

import { createStartGate } from '../host/start-gate.ts';
import { type DiffRequest, diffTruncatedHeader } from '@worktrail/contract/session-files';
import { commitOf, type SessionReading } from '../files/session-reading.ts';
import { readDiffFiles, readPatch } from '../files/tree-diff.ts';
import { answerJson, type RunnerRoute, readJson } from './request-router.ts';

/** Each takes a git of its own, and up to 64 MiB. */
const diffsAtOnceMax = 4;

export function diffRoutes({ reading }: { reading: SessionReading }): RunnerRoute[] {
  const gate = createStartGate(diffsAtOnceMax);
  const pair = ({ session, from, to }: DiffRequest) => ({ from: commitOf(session, from), to: commitOf(session, to) });
  return [
    {
      method: 'POST',
      path: '/internal/v1/sessions/{sessionId}/diff/files',
      handle: async ({ request, response, signal }) => {
        const asked = (await readJson(request)) as DiffRequest;
        const files = await gate.run(() =>
          reading.read(asked.session, [asked.from, asked.to], signal, (git) => readDiffFiles(git, pair(asked), signal)),
        );
        answerJson(response, 200, files);
      },
    },
    {
      method: 'POST',
      path: '/internal/v1/sessions/{sessionId}/diff/patch',
      handle: async ({ request, response, signal }) => {
        const asked = (await readJson(request)) as DiffRequest;
        const { patch, truncated } = await gate.run(() =>
          reading.read(asked.session, [asked.from, asked.to], signal, (git) => readPatch(git, pair(asked), signal)),
        );
        response.writeHead(200, {
          'content-type': 'text/x-diff',
          'content-length': patch.length,
          [diffTruncatedHeader]: String(truncated),
        });
        response.end(patch);
      },
    },
  ];
}
