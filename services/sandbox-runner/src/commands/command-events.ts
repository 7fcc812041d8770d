// A command's facts as payloads of its events, and its end as the result that its workflow gets.

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { constants } from 'node:os';
import type { CommandResult, CommandSpec } from '@worktrail/contract/commands';
import { Stream } from '@worktrail/proto/event';
import { outcomesInEvents } from '@worktrail/runtime/command-outcomes';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import type { EndFrame } from '../supervision/journal-format.ts';
import type { OutputPiece } from './secret-mask.ts';

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number as number, name]));

/** How a command ended, with what is known of its use of the machine. */
export interface CommandEnd {
  result: CommandResult;
  startedMs?: number;
  endedMs: number;
  userTimeUs?: number;
  systemTimeUs?: number;
  maxRssKib?: number;
}

export function queuedPayload(command: CommandSpec): EventPayloadInit {
  const { cwd, background, origin } = command;
  const timeoutSeconds = Math.ceil(command.timeoutSeconds ?? 0);
  return { case: 'commandQueued', value: { command: command.command, cwd, timeoutSeconds, background, origin } };
}

export const startedPayload: EventPayloadInit = { case: 'commandStarted', value: {} };

export function outputPayload(piece: OutputPiece): EventPayloadInit {
  return {
    case: 'commandOutput',
    value: {
      stream: piece.stream === 'stdout' ? Stream.STDOUT : Stream.STDERR,
      offset: BigInt(piece.offset),
      position: BigInt(piece.position),
      bytes: piece.bytes as Uint8Array<ArrayBuffer>,
    },
  };
}

/** What of a command's output was above its limit and is not kept. */
export function outputGapPayload(commandId: string, fromPosition: number, toPosition: number): EventPayloadInit {
  const range = { fromPosition: BigInt(fromPosition), toPosition: BigInt(toPosition) };
  return { case: 'gap', value: { producer: commandId, ...range, reason: 'output_limit' } };
}

export function endedPayload(end: CommandEnd): EventPayloadInit {
  const { result } = end;
  return {
    case: 'commandEnded',
    value: {
      outcome: outcomesInEvents[result.outcome],
      reason: result.reason ?? '',
      ...(result.exitCode !== null && { exitCode: result.exitCode }),
      signal: result.signal ?? '',
      stdoutBytes: BigInt(result.stdoutBytes),
      stderrBytes: BigInt(result.stderrBytes),
      userCpuMicros: BigInt(end.userTimeUs ?? 0),
      systemCpuMicros: BigInt(end.systemTimeUs ?? 0),
      maxRssKilobytes: BigInt(end.maxRssKib ?? 0),
      ...(end.startedMs !== undefined && { startedAt: timestampFromMs(end.startedMs) }),
      endedAt: timestampFromMs(end.endedMs),
    },
  };
}

/** The supervisor's reason when it is told to stop, as an engine without live-restore tells it when it starts again. */
const supervisorStopped = 'supervisor_stopped';

export function endOf(frame: EndFrame, startedMs: number | undefined): CommandEnd {
  const isLost = frame.outcome === 'canceled' && frame.reason === supervisorStopped;
  return {
    result: {
      outcome: isLost ? 'sandbox_lost' : frame.outcome,
      reason: frame.reason || null,
      exitCode: frame.exitCode,
      signal: frame.signal === null ? null : (signalNames.get(frame.signal) ?? `SIG${frame.signal}`),
      stdoutBytes: frame.stdoutBytes,
      stderrBytes: frame.stderrBytes,
    },
    ...(startedMs !== undefined && { startedMs }),
    endedMs: millisecondsOf(frame.timeNs),
    userTimeUs: frame.userTimeUs,
    systemTimeUs: frame.systemTimeUs,
    maxRssKib: frame.maxRssKib,
  };
}

export function millisecondsOf(timeNs: bigint): number {
  return Number(timeNs / 1_000_000n);
}
