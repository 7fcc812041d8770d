// A project's repository for plain git: made when asked, then read by git's own upload-pack.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { gitProtocolParameter, type ServeRequest, servedSessionsMax } from '@worktrail/contract/served-repositories';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import { z } from 'zod';
import { GitFailed } from '../checkpoints/store-git.ts';
import type { ServedRepositories, UploadPack } from '../serving/served-repositories.ts';
import { readJson, type RunnerCall, type RunnerRoute } from './request-router.ts';

const path = '/internal/v1/git/{projectId}';

const unreadMsMax = 120_000;
/** What git says of a request that no git has sent. */
const notUnderstood = /protocol error|hung up unexpectedly|upload-pack: expected/;

const serveRequest = z.object({
  organizationId: z.string().refine((value) => isId(value, 'organization')),
  repository: z.object({ url: z.string(), defaultBranch: z.string() }),
  sessionIds: z.array(z.string().refine((value) => isId(value, 'session'))).max(servedSessionsMax),
}) satisfies z.ZodType<ServeRequest>;

export function gitRoutes(served: ServedRepositories): RunnerRoute[] {
  return [
    {
      method: 'PUT',
      path,
      async handle({ params, request, response, signal }) {
        const asked = serveRequest.safeParse(await readJson(request));
        if (!asked.success) throw new WorktrailError('malformed_request', z.prettifyError(asked.error).slice(0, 500));
        await served.prepare({ projectId: params['projectId']!, ...asked.data }, signal);
        response.writeHead(204).end();
      },
    },
    { method: 'GET', path: `${path}/refs`, handle: (call) => uploadPack(served, call, true) },
    { method: 'POST', path: `${path}/upload-pack`, handle: (call) => uploadPack(served, call, false) },
  ];
}

async function uploadPack(served: ServedRepositories, call: RunnerCall, advertise: boolean): Promise<void> {
  const { params, query, request, response, signal } = call;
  const body = advertise ? {} : { body: request };
  const take = (chunk: Buffer) => write(response, chunk, signal);
  const asked: UploadPack = { advertise, protocol: protocolOf(query), ...body, take };
  // The headers go out with the first bytes: until then what fails can be told. After that git has told it in its own way, and knows by
  // itself an answer that is not whole.
  await served.uploadPack(params['projectId']!, asked, signal).catch((error: unknown) => {
    if (!(error instanceof GitFailed)) throw error;
    if (response.headersSent) return;
    if (!notUnderstood.test(error.message)) throw error;
    throw new WorktrailError('malformed_request', "the body is not what git's upload-pack is asked with", {
      cause: error,
    });
  });
  response.end();
  await once(response, 'finish', { signal });
}

/** Who takes nothing for too long has gone, whatever the connection says. */
async function write(response: ServerResponse, chunk: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (response.write(chunk)) return;
  await once(response, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(unreadMsMax)]) });
}

function protocolOf(query: URLSearchParams): UploadPack['protocol'] {
  const protocol = query.get(gitProtocolParameter);
  return protocol === '1' || protocol === '2' ? protocol : '0';
}
