// What an agent asks a person for before it does it: messages of the session workflow, plain JSON.

import type { ToolKind } from './agents.ts';
import type { ActorRef } from './commands.ts';

export type PermissionDecision = 'allow' | 'deny';

/** Goes with its turn: unanswered when that ends. */
export interface PermissionRequest {
  permissionId: string;
  toolCallId: string;
  toolKind: ToolKind;
  /** What it would do, for people: one line made by `permissionDetail`. */
  detail: string;
}

/** `number`: from 1 in the turn. */
export function permissionId(turnId: string, number: number): string {
  return `${turnId}-p${number}`;
}

/**
 * Update → PermissionAnswer. The same answer again is taken as the first was. Refused with `not_found`, and with `conflict` where it was
 * answered otherwise or its turn has ended.
 */
export const answerPermission = 'answerPermission';
export interface PermissionAnswer {
  permissionId: string;
  decision: PermissionDecision;
  /** It stands for every use of a tool of that kind that a policy would ask for, in this session. */
  remember: boolean;
}
export interface AnswerPermissionRequest extends PermissionAnswer {
  actor: ActorRef;
}

/** Query (turnId) → PermissionRequest[]: those of the turn that wait. */
export const describePermissions = 'describePermissions';

export const permissionDetailLengthMax = 2_000;

/** What would steer a terminal, or show a text in another order than it has. */
const unreadable = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One bounded line that shows what stands in a text, and how much of it is left out. */
export function permissionDetail(text: string): string {
  const line = text
    .slice(0, permissionDetailLengthMax)
    .replace(unreadable, (one) => short[one] ?? `\\u{${one.codePointAt(0)!.toString(16)}}`);
  const shown = line.slice(0, permissionDetailLengthMax).toWellFormed();
  const isCut = text.length > permissionDetailLengthMax || shown.length < line.length;
  return isCut ? `${shown}… (cut: ${text.length} characters in all)` : shown;
}
