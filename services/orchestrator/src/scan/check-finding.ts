// A required check that fails on the default branch, as a finding: its end, the last of its output, and the lines that this names.

import type { CommandResult } from '@worktrail/contract/commands';
import type { LocateInput } from '@worktrail/contract/scan-messages';
import { type Finding, suggestionLimits } from '@worktrail/contract/suggestions';
import { Stream } from '@worktrail/proto/event';
import { fingerprintOf } from '@worktrail/runtime/fingerprint';
import { cutText, oneLine, plainText } from '@worktrail/runtime/plain-text';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { namedLines } from './named-lines.ts';

export interface CheckFindingInput {
  scope: { organizationId: string; sessionId: string; partition: number };
  commandId: string;
  command: string;
  result: CommandResult;
}

export interface CheckFinding {
  /** Without evidence in files yet. */
  finding: Finding;
  claims: LocateInput['claims'];
}

const linesShownMax = 30;

export async function findFailingCheck(
  trace: Pick<TraceClient, 'readOutput'>,
  { scope, commandId, command, result }: CheckFindingInput,
  signal: AbortSignal,
): Promise<CheckFinding> {
  const bytes = result.stdoutBytes + result.stderrBytes;
  const limit = suggestionLimits.outputBytesMax;
  const where = { scope, commandId, stream: Stream.UNSPECIFIED, offset: BigInt(Math.max(0, bytes - limit)), limit };
  const output = bytes === 0 ? undefined : await trace.readOutput(where, { signal });
  const text = plainText(Buffer.from(output?.bytes ?? []).toString('utf8'), limit);
  return checkFinding({ sessionId: scope.sessionId, commandId, command, text }, result);
}

export function checkFinding(output: NonNullable<Finding['output']>, result: CommandResult): CheckFinding {
  const { command, text } = output;
  const ended = result.outcome === 'exited' ? `exits with ${result.exitCode}` : `ends as ${result.outcome}`;
  const shown = oneLine(command, 100);
  const last = text.split('\n').filter((line) => line.trim() !== '');
  const description =
    `The project's required check \`${shown}\` ${ended} on the default branch. Find out why, and mend it.\n\n` +
    `The end of its output:\n\n${last
      .slice(-linesShownMax)
      .map((line) => `    ${line}`)
      .join('\n')}`;
  const finding: Finding = {
    kind: 'failing_check',
    // Commands are known as they are written.
    fingerprint: fingerprintOf('failing_check', command, ''),
    title: oneLine(`The check "${shown}" ${ended}`, suggestionLimits.titleLengthMax),
    description: cutText(description, suggestionLimits.descriptionLengthMax),
    score: 0.95,
    evidence: [],
    output: { ...output, command: cutText(command, suggestionLimits.commandLengthMax) },
  };
  return { finding, claims: namedLines(text) };
}
