// Commands and their output as the trace-store has them, and as the session's workflow does before that.

import { Code } from '@connectrpc/connect';
import { describeCommand, type LiveCommand, sessionWorkflowId } from '@worktrail/contract/session-messages';
import type { EventScope } from '@worktrail/contract/subjects';
import { Stream } from '@worktrail/proto/event';
import type { CommandRecord, ReadOutputResponse } from '@worktrail/proto/trace';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { askTraceStore } from '../trace-store.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { commandOfRecord, commandOfSpec } from './command-json.ts';
import type { CommandJson } from './schemas.ts';
import { tailText } from './output-tail.ts';

export type OutputStream = 'stdout' | 'stderr' | 'both';

const streams: Record<OutputStream, Stream> = {
  stdout: Stream.STDOUT,
  stderr: Stream.STDERR,
  both: Stream.UNSPECIFIED,
};

export interface CommandReader {
  /** Undefined when there is no such command. */
  find(scope: EventScope, commandId: string): Promise<CommandJson | undefined>;
  record(scope: EventScope, commandId: string): Promise<CommandRecord | undefined>;
  list(
    scope: EventScope,
    page: { limit: number; after: string | undefined },
  ): Promise<{ items: CommandJson[]; more: boolean }>;
  output(
    scope: EventScope,
    commandId: string,
    part: { stream: OutputStream; offset: number; limit: number },
  ): Promise<ReadOutputResponse>;
  /** The last bytes of what both streams wrote, `bytes` in all. */
  tail(
    scope: EventScope,
    commandId: string,
    bytes: number,
    bytesMax: number,
  ): Promise<{ text: string; truncated: boolean }>;
}

type Trace = Pick<TraceClient, 'getCommand' | 'listCommands' | 'readOutput'>;

export function createCommandReader(trace: Trace, workflows: Pick<WorkflowClient, 'query'>): CommandReader {
  const record = async (scope: EventScope, commandId: string) =>
    (await askTraceStore(() => trace.getCommand({ scope, commandId }))).command;
  const output: CommandReader['output'] = (scope, commandId, { stream, offset, limit }) =>
    askTraceStore(
      () => trace.readOutput({ scope, commandId, stream: streams[stream], offset: BigInt(offset), limit }),
      { refusals: { [Code.NotFound]: 'not_found' } },
    );
  return {
    record,
    output,
    async find(scope, commandId) {
      const known = await record(scope, commandId);
      if (known) return commandOfRecord(known);
      const live = await workflows.query<LiveCommand | null>(sessionWorkflowId(scope.sessionId), describeCommand, [
        commandId,
      ]);
      if (live) return commandOfSpec(scope.sessionId, live.spec);
      // Between the two questions it may have been recorded, and let go by the workflow.
      const recorded = await record(scope, commandId);
      return recorded && commandOfRecord(recorded);
    },
    async list(scope, { limit, after }) {
      const answer = await askTraceStore(() => trace.listCommands({ scope, limit, afterCommandId: after ?? '' }));
      return { items: answer.commands.map(commandOfRecord), more: answer.more };
    },
    async tail(scope, commandId, bytes, bytesMax) {
      const offset = Math.max(0, bytes - bytesMax);
      const answer = await output(scope, commandId, { stream: 'both', offset, limit: bytesMax });
      return tailText(answer.bytes, offset > 0);
    },
  };
}
