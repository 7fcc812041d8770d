// What the model is told of a command that it wanted: how it ended, and the end of its output.

import type { TraceClient } from '@worktrail/runtime/trace-client';
import { createProducer, type ProducerDeps, recoverBegunProducer } from '@worktrail/runtime/event-producer';
import { Stream } from '@worktrail/proto/event';
import type { ConcludeCommandInput } from './agent-activities.ts';

/** Of the output; the rest can be read by a command. */
const shownBytesMax = 24 * 1024;

export interface ConcludeDeps {
  producer: ProducerDeps;
  trace: Pick<TraceClient, 'readOutput'>;
  clock: () => number;
}

export async function concludeCommand(
  { producer: events, trace, clock }: ConcludeDeps,
  { ref, turnId, toolCallId, commandId, result }: ConcludeCommandInput,
  signal: AbortSignal,
): Promise<void> {
  const where = { ...ref, producer: toolCallId, signal };
  // `tool.started` is the session's to write, perhaps just now.
  const stored = await recoverBegunProducer(events, where);
  if (stored.number >= 2) return;
  const { organizationId, sessionId, partition } = ref;
  const bytes = (result?.stdoutBytes ?? 0) + (result?.stderrBytes ?? 0);
  const offset = Math.max(0, bytes - shownBytesMax);
  const output =
    bytes === 0
      ? undefined
      : await trace.readOutput(
          {
            scope: { organizationId, sessionId, partition },
            commandId,
            stream: Stream.UNSPECIFIED,
            offset: BigInt(offset),
            limit: shownBytesMax,
          },
          { signal },
        );
  const shown = {
    outcome: result?.outcome ?? 'unknown',
    ...(result?.reason && { reason: result.reason }),
    exitCode: result?.exitCode ?? null,
    output: Buffer.from(output?.bytes ?? []).toString('utf8'),
    ...(offset > 0 && { omittedBytes: offset }),
  };
  const failed = result?.outcome !== 'exited' || result.exitCode !== 0;
  await createProducer(events, where, stored).append({
    time: new Date(clock()),
    actor: { kind: 'system', id: 'orchestrator' },
    turnId,
    commandId,
    payload: { case: 'toolEnded', value: { toolCallId, failed, outputJson: JSON.stringify(shown) } },
  });
}
