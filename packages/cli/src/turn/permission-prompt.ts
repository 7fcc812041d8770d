// What a person answers when an agent asks whether it may do something.

import { type AnswerPermission, WorktrailApiError, type WorktrailClient, type WorktrailEvent } from '@worktrail/client';
import type { LineSource } from '../chat/line-source.ts';
import { errorLines } from '../screen/error-text.ts';
import { visible } from '../screen/visible-text.ts';

/** undefined for what is no answer. Case tells "this once" from "always": A is not a. */
export function permissionAnswer(line: string): AnswerPermission | undefined {
  switch (line.trim()) {
    case 'a':
    case 'allow':
      return { decision: 'allow' };
    case 'A':
    case 'always':
      return { decision: 'allow', remember: true };
    case 'd':
    case 'deny':
      return { decision: 'deny' };
    default:
      return undefined;
  }
}

export interface PermissionPromptDependencies {
  client: Pick<WorktrailClient, 'turns'>;
  note: (text: string) => void;
  lines: Pick<LineSource, 'answer'>;
}

type Asked = Pick<WorktrailEvent, 'sessionId' | 'data'>;

/** All of what it would do is shown, however long: it is what the answer is about. */
export function permissionText({ data }: Pick<Asked, 'data'>): string {
  return `The agent asks whether it may (${visible(String(data['toolKind']))}): ${visible(String(data['detail']))}`;
}

/** For somebody elsewhere, or later. */
export function howToAnswer({ sessionId, data }: Asked): string {
  return `  worktrail permission ${sessionId} ${visible(String(data['permissionId']))} allow   (or deny)`;
}

const isAnswer = (line: string) => permissionAnswer(line) !== undefined;

/** Asks until there is an answer, or nobody needs one. */
export async function promptPermission(
  { client, note, lines }: PermissionPromptDependencies,
  request: WorktrailEvent,
  signal: AbortSignal,
): Promise<void> {
  note(permissionText(request));
  while (!signal.aborted) {
    const line = await lines.answer('[a]llow, [d]eny, [A]lways: ', isAnswer, signal);
    if (signal.aborted) return;
    if (line === null) return note(howToAnswer(request));
    const answer = permissionAnswer(line);
    if (!answer) continue;
    try {
      await client.turns.answerPermission(request.sessionId, String(request.data['permissionId']), answer);
    } catch (error) {
      // Somebody else was faster, or the turn has ended: the event that follows tells.
      if (!(error instanceof WorktrailApiError && error.status === 409)) note(errorLines(error).join('\n'));
    }
    return;
  }
}
