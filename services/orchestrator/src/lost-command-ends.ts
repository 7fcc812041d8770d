// How the commands of a lost host ended: as the history says, or as `host_lost`, which is then written into it.
//
// 1. The end is the last event of its producer, and there is one: a runner that is not as lost as it seemed is refused afterwards. What
//    it has written before counts.
// 2. The offsets of the end are those of the output that is stored. What was not stored is lost with the host.

import type { CommandResult, CommandSpec } from '@worktrail/contract/commands';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { CommandOutcome } from '@worktrail/proto/event';
import {
  createProducer,
  type ProducerDeps,
  type ProducerRef,
  recoverProducer,
  StaleProducerError,
} from '@worktrail/runtime/event-producer';
import { readStoredEnd, type StoredEndDeps } from '@worktrail/runtime/stored-end';
import type { LostCommandEnd } from './session/host-loss.ts';

/** Input of the activity `endLostCommands`. */
export interface EndLostCommandsInput {
  ref: SandboxRef;
  commands: CommandSpec[];
  reason: string;
  /** ISO 8601, the workflow's clock. */
  time: string;
}

export type LostCommandDeps = ProducerDeps & StoredEndDeps;

export async function endLostCommand(
  deps: LostCommandDeps,
  { ref, reason, time }: EndLostCommandsInput,
  command: CommandSpec,
  signal: AbortSignal,
): Promise<LostCommandEnd> {
  const commandId = command.id;
  const producer = { ...ref, producer: commandId, signal };
  for (;;) {
    signal.throwIfAborted();
    const stored = await recoverProducer(deps, producer);
    if (stored.ended) return { commandId, result: await readStoredEnd(deps, producer) };
    try {
      return { commandId, result: await appendEnd(deps, producer, stored, command, { reason, time }) };
    } catch (error) {
      // Its runner still wrote: what it wrote stands, and the end comes after it.
      if (!(error instanceof StaleProducerError)) throw error;
    }
  }
}

async function appendEnd(
  deps: ProducerDeps,
  ref: ProducerRef,
  stored: Awaited<ReturnType<typeof recoverProducer>>,
  spec: CommandSpec,
  { reason, time }: { reason: string; time: string },
): Promise<CommandResult> {
  const producer = createProducer(deps, ref, stored);
  const event = { actor: spec.actor, commandId: spec.id, turnId: spec.turnId ?? '' };
  if (stored.number === 0) {
    const { command, cwd, background, origin, queuedAt } = spec;
    const timeoutSeconds = Math.ceil(spec.timeoutSeconds ?? 0);
    await producer.append({
      ...event,
      time: new Date(queuedAt),
      payload: { case: 'commandQueued', value: { command, cwd, timeoutSeconds, background, origin } },
    });
  }
  const { stdoutOffset, stderrOffset } = producer.state;
  await producer.append({
    ...event,
    time: new Date(time),
    payload: {
      case: 'commandEnded',
      value: {
        outcome: CommandOutcome.HOST_LOST,
        reason,
        stdoutBytes: BigInt(stdoutOffset),
        stderrBytes: BigInt(stderrOffset),
      },
    },
  });
  return {
    outcome: 'host_lost',
    reason,
    exitCode: null,
    signal: null,
    stdoutBytes: stdoutOffset,
    stderrBytes: stderrOffset,
  };
}
