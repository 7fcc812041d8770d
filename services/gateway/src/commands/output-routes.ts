// The output of a command, as raw bytes.

import { z } from '@hono/zod-openapi';
import { limits } from '@worktrail/contract/limits';
import type { Api } from '../http/api.ts';
import { queryInteger } from '../http/query-number.ts';
import { notFound } from '../problem.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { id } from '../text.ts';
import type { CommandReader } from './command-reader.ts';

const readDefaultBytes = 1024 * 1024;

export function addOutputRoutes(
  api: Api,
  { sessions, commands }: { sessions: SessionReader; commands: CommandReader },
): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/commands/{commandId}/output',
      tag: 'Commands',
      summary: 'Bytes of the output from an offset',
      action: 'command.read',
      params: z.object({ sessionId: id('session'), commandId: id('command') }),
      query: z.object({
        stream: z.enum(['stdout', 'stderr', 'both']).default('both'),
        offset: queryInteger({ min: 0, max: limits.outputOffsetMax, byDefault: 0 }),
        limit: queryInteger({ min: 1, max: limits.outputReadBytesMax, byDefault: readDefaultBytes }),
      }),
      answers: {
        200: {
          description:
            'The bytes. `X-Next-Offset`: where to go on. `X-Output-Complete`: the command has ended and nothing follows. ' +
            '`X-Gaps`: ranges that were not kept, as from-to=reason, separated by commas.',
          contentTypes: ['application/octet-stream'],
        },
      },
    },
    async ({ principal, params, query }) => {
      const { scope } = await sessions.open(principal, params.sessionId, 'command.read');
      const part = await commands.output(scope, params.commandId, query);
      const isNew = part.bytes.byteLength === 0 && !part.complete;
      if (isNew && !(await commands.find(scope, params.commandId))) throw notFound(params.commandId);
      const gaps = part.gaps.map((gap) => `${gap.fromOffset}-${gap.toOffset}=${headerText(gap.reason)}`).join(',');
      return {
        status: 200,
        headers: {
          'content-type': 'application/octet-stream',
          'x-next-offset': String(part.nextOffset),
          'x-output-complete': String(part.complete),
          ...(gaps !== '' && { 'x-gaps': gaps }),
        },
        body: part.bytes as Uint8Array<ArrayBuffer>,
      };
    },
  );
}

function headerText(text: string): string {
  return text.replace(/[^\w. -]/g, '_').slice(0, 100);
}
