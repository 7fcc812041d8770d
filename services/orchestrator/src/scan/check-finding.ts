// A required check that fails on the default branch, as a finding: its end, the last of its output, and the lines that this names.

import { isLine, namedLines } from './named-lines.ts';
import type { CommandResult } from '@worktrail/contract/commands';
import type { LocateInput } from '@worktrail/contract/scan-messages';
import { type Finding, suggestionLimits } from '@worktrail/contract/suggestions';
import { Stream } from '@worktrail/proto/event';
import { fingerprintOf } from '@worktrail/runtime/fingerprint';
import { oneLine, plainText } from '@worktrail/runtime/plain-text';
import type { TraceClient } from '@worktrail/runtime/trace-client';

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
  const finding: Finding = {
    kind: 'failing_check',
    // Commands are known as they are written.
    fingerprint: fingerprintOf('failing_check', command, ''),
    title: oneLine(`The check "${shown}" ${ended}`, suggestionLimits.titleLengthMax),
    description:
      `The project's required check \`${shown}\` ${ended} on the default branch. Find out why, and mend it.\n\nThe end of its output:\n\n${text
        .split('\n')
        .filter(isLine)
        .slice(-30)
        .map((line) => `    ${line}`)
        .join('\n')}`.slice(0, suggestionLimits.descriptionLengthMax),
    score: 0.95,
    evidence: [],
    output,
  };
  return { finding, claims: namedLines(text) };
}
